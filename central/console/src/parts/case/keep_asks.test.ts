import assert from "node:assert/strict";
import { test } from "node:test";

import { ASKS, endOfDay } from "./keep_asks.ts";

test("a deadline is the end of its day here", () => {
  const at = new Date(endOfDay("2026-12-31"));
  assert.deepEqual([at.getFullYear(), at.getMonth(), at.getDate(), at.getHours()], [2026, 11, 31, 23]);
  for (const wrong of ["", "soon", "2026-13-01"]) assert.equal(endOfDay(wrong), "", wrong);
});

test("what names a plan names a deadline at the beginning only", () => {
  assert.deepEqual(
    Object.entries(ASKS)
      .filter(([, asks]) => asks.plan || asks.deadline)
      .map(([move, asks]) => [move, asks.plan, asks.deadline]),
    [
      ["keep_open", true, true],
      ["replan", true, false],
      ["ask_extension", false, true],
    ],
  );
});
