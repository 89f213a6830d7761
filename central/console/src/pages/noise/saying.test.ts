import assert from "node:assert/strict";
import { test } from "node:test";

import { figuresOf, whereOf, whyWord } from "./saying.ts";

const plain = (seconds: number): string => `${seconds}s`;

test("each reason has the word that fits its figures", () => {
  assert.equal(whyWord({ change: "too_little", why: { judged: 1, needed: 8 } }), "why.too_little.judged");
  assert.equal(whyWord({ change: "too_little", why: { days: 1, needed_days: 2 } }), "why.too_little.days");
  assert.equal(whyWord({ change: "too_little", why: { repeats: 1 } }), "why.too_little.repeats");
  assert.equal(whyWord({ change: "too_little", why: { peers: 1, raised: 0 } }), "why.too_little.peers");
  assert.equal(whyWord({ change: "check_view", why: { peers: 20, raised: 15 } }), "why.check_view.never");
  assert.equal(whyWord({ change: "check_view", why: { repeats: 9, longest_s: 600 } }), "why.check_view.flapping");
  assert.equal(whyWord({ change: "fine", why: { judged: 9, false: 1 } }), "why.fine.judged");
  assert.equal(whyWord({ change: "fine", why: { peers: 20, raised: 1 } }), "why.fine.never");
  assert.equal(whyWord({ change: "search", why: {} }), "why.search");
});

test("seconds become spans and everything else stays", () => {
  assert.deepEqual(figuresOf({ now_s: 60, to_s: 95, of: 9 }, plain), { now: "60s", to: "95s", of: 9 });
});

test("a suggestion leads to where it is followed, and too little leads nowhere", () => {
  assert.equal(whereOf({ change: "search", why: {} }), "suggest");
  assert.equal(whereOf({ change: "longer_dwell", why: {} }), "rule");
  assert.equal(whereOf({ change: "calendar", why: {} }), "silences");
  assert.equal(whereOf({ change: "too_little", why: {} }), null);
});
