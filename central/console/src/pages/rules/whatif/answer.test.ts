import assert from "node:assert/strict";
import { test } from "node:test";

import type { Answer, Row, WouldBe } from "@/api/what_if";

import { drawnStretches, readAnswer, ticks, unansweredBy } from "./answer.ts";

const HOUR = 3_600_000;
const START = Date.parse("2026-11-23T00:00:00Z");
const at = (minutes: number): string => new Date(START + minutes * 60_000).toISOString();

const alert = (from: number, to: number | null): WouldBe => ({
  began_at: at(from),
  raised_at: at(from + 1),
  ended_at: to === null ? null : at(to),
  severity: 2,
  reason: "blocked",
  boxes_xyxyn: [],
  unanswered: null,
});

const summary = (more: object = {}): Row => ({
  ...{ kind: "summary", rule_id: "lane", hazard: "fire_lane_obstruction", from_at: at(0), to_at: at(60), looks: 1800, alerts: 2 },
  ...{ alerts_per_day: 48, alerts_per_day_low: 5, alerts_per_day_high: 170, running_alerts: 2, running_alerts_per_day: 48 },
  ...{ total_s: 3600, answered_s: 3000, cannot_answer_s: {}, cannot_answer_always: null },
  ...more,
});

const answer = (rows: Row[], more: Partial<Answer> = {}): Answer => ({
  ...{ node_id: "edge-01", rows, left_out: 0, record: [], scored: null, seat: null },
  ...more,
});

test("each alert is shown once, as what the draft does to it", () => {
  const moved = { kind: "moved" as const, running: alert(10, 20), draft: alert(12, 20), raised_later_s: 120, ended_later_s: 0 };
  const rows: Row[] = [
    summary(),
    ...[alert(12, 20), alert(30, 35), alert(50, null)].map((one) => ({ kind: "alert" as const, ...one })),
    { kind: "added", ...alert(30, 35) },
    { kind: "gone", ...alert(40, 45) },
    moved,
  ];
  const found = readAnswer(answer(rows), START, START + HOUR);
  assert.deepEqual(found?.items.map((one) => one.mark), ["moved", "added", "gone", "same"]);
  assert.deepEqual(found?.items.map((one) => [one.running !== null, one.draft !== null]), [[true, true], [false, true], [true, false], [true, true]]);
  const alone = readAnswer(answer([summary({ running_alerts: null }), { kind: "alert", ...alert(5, 6) }]), START, START + HOUR);
  assert.deepEqual(alone?.items.map((one) => one.mark), ["alone"]);
});

test("what was asked and is not logged is a stretch without an answer, also at both ends", () => {
  const rows: Row[] = [summary(), { kind: "cannot_answer", from_at: at(10), until_at: at(20), reason: "blind_view" }];
  const found = readAnswer(answer(rows), START - HOUR, START + 2 * HOUR);
  assert.deepEqual(
    found?.stretches.map((one) => [(one.fromMs - START) / 60_000, (one.untilMs - START) / 60_000, one.reason]),
    [[-60, 0, "not_logged"], [10, 20, "blind_view"], [60, 120, "not_logged"]],
  );
  assert.deepEqual(unansweredBy(found?.stretches ?? []), [{ reason: "not_logged", seconds: 7200 }, { reason: "blind_view", seconds: 600 }]);
  for (const none of [{ looks: 0 }, { from_at: null, to_at: null }]) {
    const nothing = readAnswer(answer([summary(none)]), START, START + HOUR);
    assert.deepEqual(nothing?.stretches, [{ fromMs: START, untilMs: START + HOUR, reason: "not_logged" }]);
  }
  assert.equal(readAnswer(answer([]), START, START + HOUR), null);
});

test("the centre's alert of the same time is the one with most in common", () => {
  const one = (id: string, from: number, to: number | null) => ({
    ...{ alert_id: id, incident_id: id, began_at: at(from), raised_at: at(from), ended_at: to === null ? null : at(to) },
    ...{ judged: "unjudged" as const, sha256: null, frame_size_wh: null, boxes_xyxyn: [] },
  });
  const rows: Row[] = [summary(), { kind: "gone", ...alert(10, 20) }, { kind: "gone", ...alert(50, 55) }];
  const found = readAnswer(answer(rows, { record: [one("short", 5, 11), one("long", 11, 19), one("later", 30, 31)] }), START, START + HOUR);
  assert.deepEqual(found?.items.map((item) => item.recorded?.alert_id ?? null), ["long", null]);
});

test("stretches of one reason that nearly meet are drawn as one", () => {
  const drawn = drawnStretches(
    [
      { fromMs: 0, untilMs: 10, reason: "a" },
      { fromMs: 10.5, untilMs: 20, reason: "a" },
      { fromMs: 20, untilMs: 30, reason: "b" },
      { fromMs: 500, untilMs: 600, reason: "b" },
    ],
    1000,
  );
  assert.deepEqual(drawn.map((one) => [one.fromMs, one.untilMs]), [[0, 20], [20, 30], [500, 600]]);
});

test("a ruler has whole hours of the local clock", () => {
  const east = 8 * HOUR;
  assert.deepEqual(ticks(START + 1, START + 24 * HOUR, east).map((one) => ((one + east) / HOUR) % 24), [9, 12, 15, 18, 21, 0, 3, 6].map((one) => one));
  assert.ok(ticks(START, START + 168 * HOUR, east).every((one) => ((one + east) / HOUR) % 24 === 0));
});
