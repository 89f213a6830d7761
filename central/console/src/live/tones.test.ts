import assert from "node:assert/strict";
import { test } from "node:test";

import { lengthOf, tonesOf, worstOf } from "./tones.ts";

test("the worse, the longer and the higher; the mildest is silent", () => {
  const lengths = ([1, 2, 3, 4] as const).map((severity) => lengthOf(tonesOf(severity)));
  assert.deepEqual([...lengths].sort((a, b) => b - a), lengths);
  assert.equal(lengths[3], 0);
  assert.ok(tonesOf(1)[0]!.hertz > tonesOf(2)[0]!.hertz);
});

test("of many that come together the worst is heard", () => {
  assert.equal(worstOf([3, 1, 2]), 1);
  assert.equal(worstOf([]), null);
});
