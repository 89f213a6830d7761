import assert from "node:assert/strict";
import { test } from "node:test";

import { firstDueMs, timesMoved } from "./requests.ts";

const MINUTE_MS = 60_000;
const at = (minutes: number): string => new Date(minutes * MINUTE_MS).toISOString();
const moved = { standing: "moved" as const, times: 1, first_due_at: at(10), due_before: at(10), until: at(30) };
const askedAgain = { standing: "asked" as const, times: 2, first_due_at: at(10), due_before: at(30), until: at(50) };

for (const [name, request, due, times, first] of [
  ["never asked for", null, 10, 0, 10],
  ["asked for and refused", { ...moved, standing: "refused" as const }, 10, 0, 10],
  ["moved", moved, 30, 1, 10],
  ["moved, and suspended since then for 5 minutes", moved, 35, 1, 15],
  ["asked for once more", askedAgain, 30, 1, 10],
  ["refused the second time, and suspended since then", { ...askedAgain, standing: "refused" as const }, 35, 1, 15],
  ["moved twice", { ...askedAgain, standing: "moved" as const }, 50, 2, 10],
] as const) {
  test(`the first moment of a limit: ${name}`, () =>
    assert.deepEqual([timesMoved(request), firstDueMs(due * MINUTE_MS, request)], [times, first * MINUTE_MS]));
}
