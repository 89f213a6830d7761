import assert from "node:assert/strict";
import { test } from "node:test";

import { askEarly, dropEarly, takeEarly } from "./early_list.ts";

test("the early list is given once, and not any more when it was dropped while the centre was still asked", async () => {
  const answers: (() => void)[] = [];
  globalThis.fetch = () => new Promise((resolve) => answers.push(() => resolve(Response.json({ items: [] }))));
  askEarly();
  const given = takeEarly();
  answers.pop()?.();
  assert.deepEqual(await given, []);
  assert.equal(await takeEarly(), null);

  askEarly();
  const dropped = takeEarly();
  dropEarly();
  answers.pop()?.();
  assert.equal(await dropped, null);
});
