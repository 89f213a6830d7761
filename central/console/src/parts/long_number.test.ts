import assert from "node:assert/strict";
import { test } from "node:test";

import { saysLongNumber } from "./long_number.ts";

for (const said of ["call 138 0000 1111", "0716-1234567 is the shop", "370102199001011234", "20261332-0001", "13800000000", "１３８０００００１１１１", "０７１６-１２３４５６７"])
  test(`refused: ${said}`, () => assert.equal(saysLongNumber(said), true));
for (const said of ["as 20261123-0001", "鲁A12345 at house 1208", "from 08:30 to 12:15 on 2026-11-27"])
  test(`taken: ${said}`, () => assert.equal(saysLongNumber(said), false));
