import assert from "node:assert/strict";
import { test } from "node:test";

import { masked } from "./masked.ts";

test("an address is known again and not read off", () => {
  assert.equal(masked("13800001111"), "138****1111");
  assert.equal(masked("wang@city.example"), "w***@city.example");
  assert.equal(masked("1234567"), "***");
  assert.equal(masked(""), "***");
});
