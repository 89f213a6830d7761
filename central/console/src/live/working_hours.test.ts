import assert from "node:assert/strict";
import { test } from "node:test";

import { restsUntil, workedFromS } from "./working_hours.ts";

const at = (text: string) => Date.parse(`2026-11-27T${text}Z`);
const OFFICE = {
  calendar: "office",
  periods: [
    ["2026-11-27T00:30:00.000Z", "2026-11-27T04:00:00.000Z"],
    ["2026-11-27T06:00:00.000Z", "2026-11-27T06:30:00.000Z"],
  ] as [string, string][],
};

test("only working hours are left, and none pass while it rests", () => {
  assert.equal(workedFromS(OFFICE, at("00:00:00")), 4 * 3600);
  assert.equal(workedFromS(OFFICE, at("03:59:00")), 60 + 1800);
  assert.equal(workedFromS(OFFICE, at("04:00:00")), 1800);
  assert.equal(workedFromS(OFFICE, at("05:59:59")), 1800);
  assert.equal(workedFromS(OFFICE, at("06:29:30")), 30);
  assert.equal(workedFromS(OFFICE, at("07:00:00")), 0);
});

test("it rests until the next period begins, before the first and between two; never after the last", () => {
  assert.equal(restsUntil(OFFICE, at("00:00:00")), "2026-11-27T00:30:00.000Z");
  assert.equal(restsUntil(OFFICE, at("00:30:00")), null);
  assert.equal(restsUntil(OFFICE, at("03:59:59")), null);
  assert.equal(restsUntil(OFFICE, at("04:00:00")), "2026-11-27T06:00:00.000Z");
  assert.equal(restsUntil(OFFICE, at("06:30:00")), null);
});
