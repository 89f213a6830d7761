import assert from "node:assert/strict";
import { test } from "node:test";

import type { Proposal, SuggestionsAnswer, Whole } from "@/api/suggestions";

import type { Rule } from "../draft.ts";
import { changesOf, readSuggestions, takingOf } from "./answer.ts";
import { quietened } from "./week.ts";

const OLD = [[0.1, 0.1], [0.2, 0.1], [0.2, 0.2]];
const NEW = [[0.5, 0.5], [0.6, 0.5], [0.6, 0.6]];
const RULE: Rule = { rule_id: "lane", hazard: "fire_lane_obstruction", dwell_s: 60, exclude_zones: [OLD] };
const EVERY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;

const proposal = (settings: Record<string, unknown>): Proposal => ({
  ...{ kind: "proposal", words: "", settings, gone_searched: 3, gone_checked: 2, lost: [], nearly_lost: 0 },
  ...{ later_s: 0, unjudged_gone: 0, added: 0 },
});

test("an answer has the whole, its proposals in their order, and where each judged alert is", () => {
  const whole = { kind: "suggestions" } as Whole;
  const rows = [whole, proposal({ dwell_s: 90 }), proposal({ dwell_s: 120 })];
  const record = [{ alert_id: "a", incident_id: "i" }] as SuggestionsAnswer["record"];
  const answer = { node_id: "edge-01", rows, left_out: 0, from_at: "", judged_left_out: 0, record };
  const found = readSuggestions(answer);
  assert.deepEqual(found?.proposals.map((one) => one.settings["dwell_s"]), [90, 120]);
  assert.equal(found?.incidentOf.get("a"), "i");
  assert.equal(readSuggestions({ ...answer, rows: [] }), null);
});

test("what a proposal changes: settings from old to new, zones that are more, hours that go", () => {
  const schedule = { time_zone: "Asia/Shanghai", bands: [{ days: [...EVERY], start: "08:15", until: "24:00" }, { days: [...EVERY], start: "00:00", until: "07:30" }] };
  const found = changesOf(RULE, proposal({ dwell_s: 90, min_cover: 0.2, exclude_zones: [OLD, NEW], schedule }));
  assert.deepEqual(found.settings, [
    { name: "dwell_s", before: 60, after: 90 },
    { name: "min_cover", before: undefined, after: 0.2 },
  ]);
  assert.deepEqual(found.zones, [NEW]);
  assert.deepEqual(found.hours, [{ days: [...EVERY], start: "07:30", until: "08:15" }]);
});

test("hours that go are told by day, over midnight too", () => {
  const night = { bands: [{ days: ["sun"], start: "22:00", until: "02:00" }, { days: ["tue"], start: "06:00", until: "07:00" }] };
  const less = { bands: [{ days: ["sun"], start: "22:00", until: "01:00" }] };
  assert.deepEqual(quietened(night, less), [
    { days: ["mon"], start: "01:00", until: "02:00" },
    { days: ["tue"], start: "06:00", until: "07:00" },
  ]);
  const noWeekend = { bands: [{ days: ["mon", "tue", "wed", "thu", "fri"], start: "00:00", until: "24:00" }] };
  assert.deepEqual(quietened(null, noWeekend), [{ days: ["sat", "sun"], start: "00:00", until: "24:00" }]);
  assert.deepEqual(quietened({ bands: [{ start: "06:00", until: "08:00" }] }, { bands: [{ start: "06:00", until: "08:00" }] }), []);
});

test("a proposal can be taken while what it replaces is what it was found for", () => {
  const longer = proposal({ dwell_s: 90 });
  const zone = proposal({ exclude_zones: [OLD, NEW] });
  assert.equal(takingOf(RULE, RULE, longer), "free");
  const taken = { ...RULE, dwell_s: 90, version: 2 };
  assert.equal(takingOf(RULE, taken, longer), "taken");
  assert.equal(takingOf(RULE, taken, proposal({ dwell_s: 120 })), "changed");
  assert.equal(takingOf(RULE, taken, zone), "free", "other settings of the rule may be others by now");
  assert.equal(takingOf(RULE, { ...RULE, exclude_zones: [] }, zone), "changed", "a zone drawn since would be lost");
  assert.equal(takingOf(RULE, { ...RULE, rule_id: "other" }, longer), "changed");
});
