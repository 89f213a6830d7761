import assert from "node:assert/strict";
import { test } from "node:test";

import type { Point } from "../zones.ts";
import { gridOf } from "./grid.ts";
import { areaM2, denominatorAt, groundOf, inverseOf, lengthM, missOf, offOf, pairsOf, placeOf, problemOfPairs, seen, type Ground, type Pair } from "./ground.ts";

/** A camera 6 m up, tilted by 35°, and a bay of 4 m by 6 m before it. */
const BAY: Pair[] = [
  { picture: [0.2999, 0.558], metres: [0, 0] },
  { picture: [0.7001, 0.558], metres: [4, 0] },
  { picture: [0.6341, 0.1286], metres: [4, 6] },
  { picture: [0.3659, 0.1286], metres: [0, 6] },
];
const MORE: Pair[] = [...BAY, { picture: [0.5, 0.3009], metres: [2, 3] }, { picture: [0.2121, 0.005], metres: [-3, 9] }];

const ground = (pairs: readonly Pair[]): Ground => {
  const found = groundOf(pairs);
  assert.ok(found, JSON.stringify(problemOfPairs(pairs)));
  return found;
};
const near = (found: number, expected: number, by = 1e-4): void => assert.ok(Math.abs(found - expected) < by, `${found} is not ${expected}`);

/** By another arithmetic: the smallest singular vector of the normalised equations (Hartley), in numpy. */
const REFERENCE: readonly [Point, Point][] = [
  [[0.5, 0.5], [2, 0.56845]],
  [[0.3, 0.7], [0.1976, -1.19894]],
  [[0.62, 0.41], [3.35324, 1.56366]],
  [[0.45, 0.9], [1.60422, -2.53628]],
];

for (const [point, metres] of REFERENCE) {
  test(`${point.join(", ")} lies where another arithmetic finds it`, () => {
    const [x, y] = placeOf(ground(BAY), point);
    near(x, metres[0]);
    near(y, metres[1]);
  });
}

test("more pairs than four agree in the middle of them", () => {
  const [x, y] = placeOf(ground(MORE), [0.5, 0.5]);
  near(x, 1.99987, 1e-3); // weighted otherwise than the reference, by as much as the points' four digits
  near(y, 0.56851, 1e-3);
});

test("an area and how far it may be off are the centre's figures", () => {
  const found = areaM2(ground(BAY), [[0.4, 0.4], [0.6, 0.4], [0.65, 0.7], [0.35, 0.7]]);
  near(found?.m2 ?? 0, 7.17647);
  near(found?.share ?? 0, 0.0424908);
});

test("a side of the bay is as long as it is, and the sky has no metres", () => {
  near(lengthM(ground(BAY), [0.2999, 0.558], [0.7001, 0.558])?.m ?? 0, 4, 1e-3);
  const far = ground([
    { picture: [0.1, 0.95], metres: [0, 0] },
    { picture: [0.9, 0.95], metres: [10, 0] },
    { picture: [0.6, 0.5], metres: [10, 60] },
    { picture: [0.4, 0.5], metres: [0, 60] },
  ]);
  assert.ok(denominatorAt(far, [0.5, 0.1]) < 0.1);
  assert.equal(areaM2(far, [[0.4, 0.1], [0.6, 0.1], [0.5, 0.9]]), null);
  assert.equal(lengthM(far, [0.5, 0.1], [0.5, 0.9]), null);
  for (const { from, to } of gridOf(far).lines) for (const point of [from, to]) assert.ok(denominatorAt(far, point) > 0.099, String(point));
});

test("the way back leads to the point, and a pair that is moved misses by so much", () => {
  const bay = ground(BAY);
  for (const { picture, metres } of BAY) {
    const [x, y, w] = seen(inverseOf(bay), metres);
    near(x / w, picture[0]);
    near(y / w, picture[1]);
    near(w, 1 / denominatorAt(bay, picture), 1e-3);
  }
  const shifted = MORE.map((pair, index) => (index === 4 ? { ...pair, metres: [2.2, 3] as Point } : pair));
  const off = ground(shifted);
  assert.ok(offOf(off, shifted[4] as Pair) > 0.1);
  assert.ok(Math.hypot(...missOf(off, shifted[4] as Pair)) > 0.005);
});

test("what cannot hold is named", () => {
  const with3 = (metres: Point): Pair[] => BAY.map((pair, index) => (index === 3 ? { ...pair, metres } : pair));
  assert.deepEqual(problemOfPairs(BAY.slice(1)), { kind: "few", missing: 1 });
  assert.deepEqual(problemOfPairs(with3([Number.NaN, 6])), { kind: "unwritten", number: 3 });
  assert.deepEqual(problemOfPairs(with3([4, 6])), { kind: "same", first: 2, second: 3, where: "metres" });
  assert.deepEqual(problemOfPairs(with3([8, 0])), { kind: "line", where: "metres" }); // with the first two
  const flat = BAY.map((pair, index) => ({ ...pair, picture: [0.2 + index / 5, 0.5] as Point }));
  assert.deepEqual(problemOfPairs(flat), { kind: "line", where: "picture" });
  const mirrored = BAY.map(({ picture, metres }) => ({ picture, metres: [-metres[0], metres[1]] as Point }));
  assert.deepEqual(problemOfPairs(mirrored), { kind: "mirrored" });
  const [one, two, three, four] = BAY as [Pair, Pair, Pair, Pair];
  const crossing = [one, two, { ...three, metres: four.metres }, { ...four, metres: three.metres }];
  assert.deepEqual(problemOfPairs(crossing), { kind: "mirrored" }); // the far corners are exchanged
  const wrong = problemOfPairs(MORE.map((pair, index) => (index === 4 ? { ...pair, metres: [3.5, 3] } : pair)));
  assert.equal(wrong?.kind, "fit");
});

test("the grid has a line a metre, every fifth strong and named within the picture", () => {
  const { lines, step_m, strong_m } = gridOf(ground(BAY));
  assert.deepEqual([step_m, strong_m], [1, 5]);
  assert.ok(lines.length > 15 && lines.length < 60, String(lines.length));
  for (const line of lines) {
    for (const value of [...line.from, ...line.to]) assert.ok(value > -1e-6 && value < 1 + 1e-6, line.key);
    assert.equal(line.isStrong, line.metres % 5 === 0);
    if (!line.isStrong) assert.equal(line.label, null);
  }
});

test("no label lies over another", () => {
  const labels = gridOf(ground(BAY)).lines.flatMap(({ label }) => (label ? [label] : []));
  assert.ok(labels.length >= 4);
  for (const [x, y] of labels) assert.equal(labels.filter(([a, b]) => Math.abs(a - x) < 0.06 && Math.abs(b - y) < 0.045).length, 1);
});

test("a wide place has fewer lines, not a grey surface", () => {
  const square = ground(BAY.map(({ picture, metres }) => ({ picture, metres: [metres[0] * 30, metres[1] * 30] as Point })));
  const { lines, step_m } = gridOf(square);
  assert.ok(step_m >= 10, String(step_m));
  assert.ok(lines.length <= 120);
});

test("a rectangle of known size is its four corners", () => {
  const corners = BAY.map((pair) => pair.picture);
  assert.deepEqual(pairsOf({ rectangle: { corners, width_m: 4, depth_m: 6 } }), BAY);
  assert.deepEqual(pairsOf(null), []);
});
