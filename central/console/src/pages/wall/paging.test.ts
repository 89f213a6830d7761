import assert from "node:assert/strict";
import { test } from "node:test";

import { PAGE_S, pageAt } from "./paging.ts";

const rows = [1, 2, 3, 4, 5, 6, 7];
const at = (page: number): number => page * PAGE_S * 1000;

test("every row is shown within one round, and the round begins anew", () => {
  const shown = [0, 1, 2].flatMap((page) => pageAt(rows, 3, at(page)).rows);
  assert.deepEqual(shown, rows);
  assert.deepEqual(pageAt(rows, 3, at(3)), { rows: [1, 2, 3], page: 0, pages: 3 });
});

test("what fits stays where it is", () => {
  assert.deepEqual(pageAt([1, 2], 3, at(12_345)), { rows: [1, 2], page: 0, pages: 1 });
  assert.deepEqual(pageAt([], 3, at(1)), { rows: [], page: 0, pages: 1 });
});
