import assert from "node:assert/strict";
import { test } from "node:test";

import type { Area, Incident } from "../../api/types.ts";
import { boundsOf, labelPoint, leavesOf, spotsOf } from "./map_shapes.ts";

const SQUARE = {
  type: "Polygon" as const,
  coordinates: [[[117, 36], [117.2, 36], [117.2, 36.1], [117, 36.1], [117, 36]] as [number, number][]],
};

test("a name stands in the middle of the largest part", () => {
  const far = [[[118, 37], [118.01, 37], [118.01, 37.01], [118, 37]] as [number, number][]];
  const [latitude, longitude] = labelPoint({ type: "MultiPolygon", coordinates: [far, SQUARE.coordinates] });
  assert.ok(Math.abs(latitude - 36.05) < 1e-9 && Math.abs(longitude - 117.1) < 1e-9);
  assert.deepEqual(boundsOf(SQUARE), [117, 36, 117.2, 36.1]);
});

test("leaves are the areas nobody names as parent", () => {
  const areas = [
    { code: "3701", parent: null },
    { code: "370102", parent: "3701" },
    { code: "370103", parent: "3701" },
  ] as Area[];
  assert.deepEqual([...leavesOf(areas)], ["370102", "370103"]);
});

test("who has taken a task is shown at its place until it is handled, and who was only asked is not", () => {
  const at = (state: string, worker: object | null): Incident =>
    ({ incident_id: state, severity: 2, state, hazard: "crowd", place: { longitude: 117, latitude: 36 }, task: { state, worker } }) as unknown as Incident;
  const crew = (...cases: Incident[]): number => spotsOf(cases, () => false)[0]!.crew.length;
  const li = { user_id: "li", display_name: "Li" };
  assert.deepEqual([at("offered", li), at("taken", li), at("arrived", li), at("handled", li), at("taken", null)].map((one) => crew(one)), [0, 1, 1, 0, 0]);
  assert.equal(crew(at("taken", li), at("arrived", li)), 2);
});

test("incidents at one place share a marker that shows the first of them; without a position there is none", () => {
  const at = (id: string, longitude: number | null, severity: number, state = "taken"): Incident =>
    ({ incident_id: id, severity, state, hazard: "crowd", place: { longitude, latitude: 36 } }) as unknown as Incident;
  const spots = spotsOf([at("a", 117, 1), at("b", 117, 3, "open"), at("c", null, 1)], () => false);
  assert.equal(spots.length, 1);
  assert.deepEqual(spots[0]!.incidentIds, ["a", "b"]);
  assert.equal(spots[0]!.severity, 1);
  assert.equal(spots[0]!.stage, "waiting", "of two at one place the one that has come least far");
  const alone = (state: string) => spotsOf([at("a", 117, 1, state)], () => false)[0]!.stage;
  assert.deepEqual(
    ["to_check", "unit_told", "dispatched", "arrived", "handled", "long_lived", "of a newer centre"].map(alone),
    ["waiting", "sent", "sent", "underway", "handled", "kept", "waiting"],
  );
});
