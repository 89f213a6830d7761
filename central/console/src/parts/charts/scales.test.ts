import assert from "node:assert/strict";
import { test } from "node:test";

import { daysBetween, roundTop, shareOf, timeAxis } from "./scales.ts";

test("an axis of times holds all of them and has few ticks", () => {
  const axis = timeAxis([12, 90, 5000]);
  assert.ok(axis);
  assert.deepEqual([axis.from_s, axis.to_s], [5, 4 * 3600]);
  assert.ok(axis.ticks_s.length <= 6 && axis.ticks_s[0] === 5);
  assert.equal(shareOf(5, axis), 0);
  assert.equal(shareOf(4 * 3600, axis), 1);
  assert.ok(shareOf(90, axis) > shareOf(12, axis));
  assert.equal(shareOf(0, axis), 0);
});

test("no durations have no axis, and one alone has a place", () => {
  assert.equal(timeAxis([]), null);
  const axis = timeAxis([0]);
  assert.ok(axis);
  assert.equal(shareOf(0, axis), 0);
  const long = timeAxis([40 * 86_400]);
  assert.ok(long && shareOf(40 * 86_400, long) < 1 && shareOf(40 * 86_400, long) > 0);
});

test("the top of counts is at least the largest, and its half is whole", () => {
  for (const [largest, top] of [[0, 2], [2, 2], [3, 4], [7, 10], [41, 60], [100, 100], [101, 200]] as const) {
    assert.equal(roundTop(largest), top);
  }
});

test("days without cases are days too", () => {
  assert.deepEqual(daysBetween("2026-02-27", "2026-03-01"), ["2026-02-27", "2026-02-28", "2026-03-01"]);
  assert.deepEqual(daysBetween("2026-03-02", "2026-03-01"), []);
  assert.equal(daysBetween("2020-01-01", "2026-01-01").length, 400);
});
