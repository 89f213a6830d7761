import assert from "node:assert/strict";
import { test } from "node:test";

import { areaOf, kept, moved, problemOfLine, problemOfZone, split, without, type Point } from "./zones.ts";

const SQUARE: Point[] = [
  [0.1, 0.1],
  [0.9, 0.1],
  [0.9, 0.9],
  [0.1, 0.9],
];

test("a square is a zone, whichever way round", () => {
  assert.equal(problemOfZone(SQUARE), null);
  assert.equal(problemOfZone([...SQUARE].reverse()), null);
});

test("fewer than three corners say how many are missing", () => {
  assert.deepEqual(problemOfZone([]), { kind: "few", missing: 3 });
  assert.deepEqual(problemOfZone(SQUARE.slice(0, 2)), { kind: "few", missing: 1 });
});

test("edges that cross are named, with the spot where they meet", () => {
  const bow: Point[] = [SQUARE[0]!, SQUARE[2]!, SQUARE[1]!, SQUARE[3]!];
  const found = problemOfZone(bow);
  assert.ok(found?.kind === "crossing");
  assert.deepEqual([found.first, found.second], [0, 2]);
  assert.ok(Math.abs(found.at[0] - 0.5) < 1e-9 && Math.abs(found.at[1] - 0.5) < 1e-9);
});

test("corners on one line are no zone", () => {
  assert.deepEqual(problemOfZone([[0, 0], [0.5, 0.5], [1, 1]]), { kind: "flat" });
});

test("a line needs two ends that lie apart", () => {
  assert.deepEqual(problemOfLine([[0.1, 0.1]]), { kind: "few", missing: 1 });
  assert.deepEqual(problemOfLine([[0.1, 0.1], [0.1, 0.1]]), { kind: "flat" });
  assert.equal(problemOfLine([[0.1, 0.1], [0.4, 0.1]]), null);
});

test("corners stay in the picture and are moved, added and taken out one at a time", () => {
  assert.deepEqual(kept(-0.2, 1.7), [0, 1]);
  assert.deepEqual(kept(0.123456, 0.5), [0.1235, 0.5]);
  assert.deepEqual(moved(SQUARE, 1, [0.5, 0.2])[1], [0.5, 0.2]);
  assert.deepEqual(split(SQUARE, 3)[4], [0.1, 0.5]);
  assert.equal(without(SQUARE, 0).length, 3);
  assert.ok(Math.abs(Math.abs(areaOf(SQUARE)) - 0.64) < 1e-9);
});
