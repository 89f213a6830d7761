import assert from "node:assert/strict";
import { test } from "node:test";

import type { Incident } from "../api/types.ts";
import { urgedStill } from "./urged.ts";

const URGED = { count: 2, at: "2026-11-27T08:00:00Z", by: "王值班", note: null, task_id: "t1" };
const of = (more: object): Incident => ({ state: "taken", urged: URGED, task: { task_id: "t1" }, ...more }) as unknown as Incident;

test("a reminder stands while the same task is to be done", () => {
  assert.equal(urgedStill(of({})), URGED);
  for (const over of [{ state: "handled" }, { state: "closed" }, { task: { task_id: "t2" } }, { task: null }, { urged: null }]) {
    assert.equal(urgedStill(of(over)), null, JSON.stringify(over));
  }
});

test("one of the judgement stands while the case is open", () => {
  const judged = { ...URGED, task_id: null };
  assert.equal(urgedStill(of({ state: "open", task: null, urged: judged })), judged);
  assert.equal(urgedStill(of({ urged: judged })), null);
});
