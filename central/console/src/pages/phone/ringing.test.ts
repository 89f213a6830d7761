import assert from "node:assert/strict";
import { test } from "node:test";

import { MOST_RINGS, RING_EVERY_MS, Ringing } from "./ringing.ts";

const RED = { taskId: "red", severity: 1 } as const;
const YELLOW = { taskId: "yellow", severity: 3 } as const;

function ringsOf(ringing: Ringing, forMs: number): number[] {
  const heard: number[] = [];
  for (let ms = 0; ms <= forMs; ms += 1_000) {
    const severity = ringing.ring(ms);
    if (severity !== null) heard.push(severity);
  }
  return heard;
}

test("what was there when the page came does not ring", () => {
  const ringing = new Ringing();
  assert.deepEqual(ringing.see([RED], 0), []);
  assert.deepEqual(ringsOf(ringing, 20_000), []);
});

test("a red task rings again and again, but not for ever; a yellow one once", () => {
  const ringing = new Ringing();
  ringing.see([], 0);
  assert.deepEqual(ringing.see([YELLOW], 0), [YELLOW]);
  assert.deepEqual(ringsOf(ringing, 3_600_000), [3]);
  ringing.see([YELLOW, RED], 0);
  const heard = ringsOf(ringing, 3_600_000);
  assert.equal(heard.length, MOST_RINGS[1]);
  assert.deepEqual(new Set(heard), new Set([1]));
  assert.equal(ringing.unseen().length, 2, "the count stays until they were looked at");
});

test("looked at, or no longer offered, it is silent", () => {
  const ringing = new Ringing();
  ringing.see([], 0);
  ringing.see([RED], 0);
  assert.equal(ringing.ring(0), 1);
  assert.equal(ringing.ring(RING_EVERY_MS - 1), null);
  ringing.lookedAt("red");
  assert.equal(ringing.ring(RING_EVERY_MS), null);
  ringing.see([], 0);
  assert.deepEqual(ringing.see([RED], 0), [RED], "offered anew it is new");
  ringing.see([], 0);
  assert.deepEqual([ringing.ring(RING_EVERY_MS), ringing.unseen()], [null, []]);
});

test("of two that come together the worse is heard", () => {
  const ringing = new Ringing();
  ringing.see([], 0);
  ringing.see([YELLOW, RED], 0);
  assert.deepEqual(ringsOf(ringing, RING_EVERY_MS - 1), [1]);
});

test("a task that is urged rings again, and each urging is another", () => {
  const ringing = new Ringing();
  ringing.see([{ taskId: "a", severity: 3 }], 0);
  const urged = { taskId: "a", key: "a 1", severity: 2 as const };
  assert.deepEqual(ringing.see([{ taskId: "a", severity: 3 }, urged], 1000), [urged]);
  assert.equal(ringing.ring(1000), 2);
  ringing.lookedAt("a");
  assert.deepEqual(ringing.unseen(), []);
  const again = { ...urged, key: "a 2" };
  assert.deepEqual(ringing.see([{ taskId: "a", severity: 3 }, again], 70_000), [again]);
});
