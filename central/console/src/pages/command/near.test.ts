import assert from "node:assert/strict";
import { test } from "node:test";

import { cameraMetres, distanceM, distanceToLineM, laneDistanceM, nearest, type Place } from "./near.ts";

const HERE: Place = [36.65, 117.12];
/** So many metres to the east and north, by the earth's radius alone. */
const at = (east: number, north: number): Place => [
  HERE[0] + (north / 6_371_008.8) * (180 / Math.PI),
  HERE[1] + (east / (6_371_008.8 * Math.cos((HERE[0] * Math.PI) / 180))) * (180 / Math.PI),
];
const isNear = (found: number, wanted: number): void => assert.ok(Math.abs(found - wanted) < 0.01 + wanted * 0.002, `${found} for ${wanted}`);

test("distances are those of the earth within two parts in a thousand", () => {
  isNear(distanceM(HERE, at(300, 400)), 500);
  isNear(distanceM(HERE, at(-30, 0)), 30);
  assert.equal(distanceM(HERE, HERE), 0);
});

test("a line is as far as its nearest point, also between its corners and beyond its ends", () => {
  isNear(distanceToLineM(HERE, [at(-100, 50), at(100, 50)]), 50);
  isNear(distanceToLineM(HERE, [at(30, 40), at(300, 400)]), 50);
  isNear(distanceToLineM(HERE, [at(120, 0)]), 120);
});

test("within a lane's area it is no metre away, and outside it is as far as its edge", () => {
  const ring = [at(-10, -10), at(10, -10), at(10, 10), at(-10, 10), at(-10, -10)].map(([y, x]): [number, number] => [x, y]);
  assert.equal(laneDistanceM(HERE, { shape: { type: "Polygon", coordinates: [ring] } }), 0);
  isNear(laneDistanceM(at(60, 0), { shape: { type: "Polygon", coordinates: [ring] } }), 50);
  isNear(laneDistanceM(HERE, { shape: { type: "LineString", coordinates: [[at(0, 80)[1], at(0, 80)[0]]] } }), 80);
});

test("what is near comes nearest first, and what has no place is nowhere near", () => {
  const camera = (id: string, place: Place | null) => ({ id, latitude: place?.[0] ?? null, longitude: place?.[1] ?? null });
  const all = [camera("far", at(0, 501.5)), camera("b", at(0, 499)), camera("a", at(3, 4)), camera("nowhere", null)];
  assert.deepEqual(nearest(all, cameraMetres(HERE)).map(({ one, metres }) => [one.id, Math.round(metres)]), [["a", 5], ["b", 499]]);
});
