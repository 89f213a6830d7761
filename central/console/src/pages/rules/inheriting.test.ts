import assert from "node:assert/strict";
import { test } from "node:test";

import { inheritedBy, ownOf, wholeOf } from "./inheriting.ts";

const TOWN = { code: "370102001", name: "南镇", name_en: "South", level: "township" as const };
const LANE = { rule_id: "lane", hazard: "fire_lane_obstruction" };
const LEVELS = { fire_lane_obstruction: { dwell_s: { value: 30, area: TOWN } } };

test("what is inherited is taken out of a draft and stands in what a node is asked to try", () => {
  const whole = wholeOf(LANE, LEVELS);
  assert.deepEqual(whole, { ...LANE, dwell_s: 30 });
  assert.deepEqual(ownOf({ rules: [whole] }, { lane: { dwell_s: TOWN } }), { rules: [LANE] });
});

test("what the camera says itself stays", () => {
  const own = { ...LANE, dwell_s: 5 };
  assert.deepEqual(wholeOf(own, LEVELS), own);
  assert.deepEqual(ownOf({ rules: [own] }, {}), { rules: [own] });
  assert.equal(inheritedBy(own, LEVELS)["dwell_s"]?.value, 30);
});

test("the time of a camera fault is that of its kind", () => {
  const levels = { camera_fault: { offline_after_s: { value: 60, area: TOWN }, view_after_s: { value: 20, area: TOWN } } };
  const fault = (kind: string) => ({ rule_id: "f", hazard: "camera_fault", fault: kind });
  assert.deepEqual(Object.keys(inheritedBy(fault("offline"), levels)), ["offline_after_s"]);
  assert.deepEqual(Object.keys(inheritedBy(fault("black"), levels)), ["view_after_s"]);
});
