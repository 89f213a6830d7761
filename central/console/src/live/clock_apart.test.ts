import assert from "node:assert/strict";
import { test } from "node:test";

import { apartBy, correctedMs } from "./clock_apart.ts";

const YEAR_MS = 365 * 86_400_000;

test("an answer is taken as written halfway through the asking", () => {
  assert.equal(apartBy(10_000, 12_500, 4_000), 0);
  assert.equal(apartBy(10_000, 10_500, 0), 0);
});

test("a clock that is near enough is left alone", () => {
  assert.equal(correctedMs(0, 1_900, 100), 0);
  assert.equal(correctedMs(-YEAR_MS, -YEAR_MS + 1_000, 100), -YEAR_MS);
});

test("a wrong clock is corrected at the first answer, however slow", () => {
  assert.equal(correctedMs(0, -YEAR_MS + 4_000, 9_000), -YEAR_MS + 4_000);
});

test("a slow answer corrects no more than it can tell", () => {
  assert.equal(correctedMs(0, 5_000, 8_000), 0);
  assert.equal(correctedMs(-YEAR_MS, -YEAR_MS + 5_000, 8_000), -YEAR_MS);
  assert.equal(correctedMs(-YEAR_MS + 5_000, -YEAR_MS, 100), -YEAR_MS, "a quick one mends what a slow one told");
});

test("a clock that its owner has put right counts again", () => {
  assert.equal(correctedMs(-YEAR_MS, 300, 50), 0);
});
