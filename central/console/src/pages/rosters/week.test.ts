import assert from "node:assert/strict";
import { test } from "node:test";

import { barsOf, dayOf, daysFrom, gapsOf, localOf, momentOf, plusDays, shareOf, timeOf, weekdayOf } from "./week.ts";

const stretch = (from: string, to: string, on_duty: string[], lacks: ("worker" | "desk")[] = [], on_leave: string[] = []) => ({
  starts_at: `2026-11-${from}:00:00Z`,
  ends_at: `2026-11-${to}:00:00Z`,
  on_duty,
  on_leave,
  lacks,
});

const WEEK = [
  stretch("22T16", "23T00", [], ["worker", "desk"]),
  stretch("23T00", "23T04", ["wang"], ["desk"]),
  stretch("23T04", "23T08", ["wang", "li"], ["desk"]),
  stretch("23T08", "23T12", ["li"], [], ["wang"]),
  stretch("23T12", "24T00", ["wang"]),
];

test("a person's bars join whatever others do, and a leave is one of its own", () => {
  assert.deepEqual(
    barsOf(WEEK, "wang").map((bar) => [bar.standing, bar.starts_at.slice(8, 13), bar.ends_at.slice(8, 13)]),
    [
      ["duty", "23T00", "23T08"],
      ["leave", "23T08", "23T12"],
      ["duty", "23T12", "24T00"],
    ],
  );
});

test("gaps say what is lacking, and join", () => {
  assert.deepEqual(
    gapsOf(WEEK).map((gap) => [gap.lacks.join("+"), gap.starts_at.slice(8, 13), gap.ends_at.slice(8, 13)]),
    [
      ["worker+desk", "22T16", "23T00"],
      ["desk", "23T00", "23T08"],
    ],
  );
});

test("days and times are those of China", () => {
  assert.equal(dayOf("2026-11-22T16:00:00Z"), "2026-11-23");
  assert.equal(timeOf("2026-11-22T16:30:00Z"), "00:30");
  assert.equal(weekdayOf("2026-11-22T16:00:00Z"), 0);
  assert.equal(momentOf("2026-11-23T08:00"), "2026-11-23T00:00:00.000Z");
  assert.equal(localOf("2026-11-23T00:00:00.000Z"), "2026-11-23T08:00");
  assert.equal(plusDays("2026-12-31", 1), "2027-01-01");
  assert.deepEqual(daysFrom("2026-02-27")[6], "2026-03-05");
  assert.equal(shareOf("2026-11-23T12:00:00Z", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"), 0.5);
});
