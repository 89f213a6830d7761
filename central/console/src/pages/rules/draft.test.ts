import assert from "node:assert/strict";
import { test } from "node:test";

import { asked, begun, blankRule, changed, raised, redone, sameAs, touched, undone, withSetting, yamlOf } from "./draft.ts";

const LANE = { rule_id: "lane", hazard: "fire_lane_obstruction", version: 3, dwell_s: 60, zone: [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9]] };

test("a change is undone and done again, and a drag is one step", () => {
  let history = begun(0);
  history = changed(history, 1);
  history = changed(history, 2);
  history = changed(history, 3, true);
  assert.equal(history.now, 3);
  history = undone(history);
  assert.equal(history.now, 1);
  history = redone(history);
  assert.equal(history.now, 3);
  assert.equal(undone(undone(undone(history))).now, 0);
  assert.deepEqual(changed(undone(history), 9).future, []);
});

test("a setting that is left to its default is not written", () => {
  assert.ok(!("dwell_s" in withSetting(LANE, "dwell_s", undefined)));
  assert.equal(withSetting(LANE, "dwell_s", 5)["dwell_s"], 5);
});

test("a rule that says something else gets the next revision, once, and others keep theirs", () => {
  const before = { rules: [LANE, { rule_id: "exit", hazard: "blocked_exit" }] };
  const draft = { rules: [{ ...LANE, dwell_s: 90 }, { rule_id: "exit", hazard: "blocked_exit" }] };
  const made = raised(before, draft);
  assert.equal(made.rules[0]?.version, 4);
  assert.equal(made.rules[1]?.version, undefined);
  const running = { rules: [{ ...LANE, version: 7 }] };
  assert.equal(raised(before, draft, [running, null]).rules[0]?.version, 8);
  assert.deepEqual([...touched(before, made)], ["lane"]);
});

test("a new rule has a name of its own", () => {
  assert.equal(blankRule("crowd", []).rule_id, "crowd");
  assert.equal(blankRule("blocked_exit", ["blocked-exit", "blocked-exit-2"]).rule_id, "blocked-exit-3");
});

test("the order of keys is no difference", () => {
  assert.ok(sameAs({ a: 1, b: [2, { c: 3, d: 4 }] }, { b: [2, { d: 4, c: 3 }], a: 1 }));
  assert.ok(!sameAs({ a: [1, 2] }, { a: [2, 1] }));
});

test("whose the rules are is not part of a proposal", () => {
  assert.deepEqual(asked({ camera_id: "lane", rules: [] }), { rules: [] });
});

test("YAML keeps points on a line and texts in quotes", () => {
  const text = yamlOf({ place_class: "street", look_every_s: null, rules: [LANE], note: "a: ${HOME} #", none: [], nothing: {} });
  assert.equal(
    text,
    [
      'place_class: "street"',
      "look_every_s: null",
      "rules:",
      '  - rule_id: "lane"',
      '    hazard: "fire_lane_obstruction"',
      "    version: 3",
      "    dwell_s: 60",
      "    zone: [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9]]",
      'note: "a: $${HOME} #"',
      "none: []",
      "nothing: {}",
      "",
    ].join("\n"),
  );
});
