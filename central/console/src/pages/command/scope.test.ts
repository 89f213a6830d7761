import assert from "node:assert/strict";
import { test } from "node:test";

import type { Area, Incident, Level, Severity } from "../../api/types.ts";
import { codesWithin, indexOf, isUrgent, isWithin, stepsDown, talliesOf, trailOf } from "./scope.ts";

const area = (code: string, parent: string | null, level: Level = "grid"): Area => ({
  code,
  parent,
  level,
  name: code,
  geometry: null,
});
const CITY = [
  area("9901", null, "city"),
  area("990101", "9901", "county"),
  area("990102", "9901", "county"),
  area("990101001", "990101", "township"),
];
const incident = (path: string[], severity: Severity, hazard = "crowd"): Incident =>
  ({ severity, hazard, area: { path: path.map((code) => ({ code })) } }) as Incident;
const codes = (areas: readonly Area[]): string[] => areas.map((one) => one.code);

test("the only root is everything: its children are the first step", () => {
  const index = indexOf(CITY);
  assert.deepEqual(codes(stepsDown(index, null)), ["990101", "990102"]);
  assert.deepEqual(codes(stepsDown(index, "990101")), ["990101001"]);
  assert.deepEqual(codes(stepsDown(index, "990102")), []);
  assert.deepEqual(codes(trailOf(index, "990101001")), ["990101", "990101001"]);
  assert.deepEqual(trailOf(index, null), []);
});

test("who sees two subtrees begins with both; a parent out of sight is no step", () => {
  const index = indexOf([area("990101001", "990101"), area("990102002", "990102"), area("990102002003", "990102002")]);
  assert.deepEqual(codes(stepsDown(index, null)), ["990101001", "990102002"]);
  assert.deepEqual(codes(trailOf(index, "990102002003")), ["990102002", "990102002003"]);
  assert.deepEqual(trailOf(index, "990101"), []);
});

test("an area holds itself and what is below it", () => {
  assert.deepEqual([...codesWithin(indexOf(CITY), "990101")].sort(), ["990101", "990101001"]);
});

test("each area on the way counts, with the most severe", () => {
  const tallies = talliesOf([
    incident(["9901", "990101", "990101001"], 3),
    incident(["9901", "990101"], 2),
    incident(["9901", "990102"], 4),
    incident([], 1),
  ]);
  assert.deepEqual(tallies.get("990101"), { open: 2, worst: 2 });
  assert.deepEqual(tallies.get("990101001"), { open: 1, worst: 3 });
  assert.deepEqual(tallies.get("9901"), { open: 3, worst: 2 });
  assert.deepEqual(tallies.get(""), { open: 4, worst: 1 });
  assert.equal(tallies.get("990103"), undefined);
});

test("within is by the path; a code that only begins alike is another place", () => {
  const one = incident(["9901", "990101"], 2);
  assert.equal(isWithin(one, null), true);
  assert.equal(isWithin(one, "990101"), true);
  assert.equal(isWithin(one, "99010"), false);
  assert.equal(isWithin(one, "990102"), false);
});

test("the most severe and fire are never narrowed away", () => {
  assert.equal(isUrgent(incident([], 1)), true);
  assert.equal(isUrgent(incident([], 3, "fire_smoke")), true);
  assert.equal(isUrgent(incident([], 2)), false);
});
