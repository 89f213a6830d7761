import assert from "node:assert/strict";
import { test } from "node:test";

import { bodyOf, emptyDraft, isComplete, kindsOf, scopesOf, weeklyText } from "./asking.ts";

const market = {
  ...emptyDraft("event"),
  place: " 370102 ",
  hazard: "crowd",
  reason: " market ",
  endsAt: "2027-01-01T00:00",
  days: ["sun" as const, "sat" as const],
  from: "22:00",
  to: "02:00",
};

test("who makes which kind, and a node only for maintenance", () => {
  assert.deepEqual(kindsOf("operator"), ["silence"]);
  assert.deepEqual(kindsOf("rule_operator"), ["maintenance", "event"]);
  assert.deepEqual(kindsOf("auditor"), []);
  assert.ok(scopesOf("maintenance").includes("node_id"));
  assert.ok(!scopesOf("silence").includes("node_id"));
});

test("a form is whole, or it cannot be sent", () => {
  assert.ok(isComplete(market));
  assert.ok(isComplete({ ...market, days: [], from: "", to: "" }), "once, without bands");
  for (const missing of ["place", "reason", "endsAt", "hazard", "from", "to"]) assert.ok(!isComplete({ ...market, [missing]: "" }), missing);
  assert.ok(!isComplete({ ...market, days: [] }), "times without days");
  assert.ok(!isComplete({ ...market, to: "22:00" }), "an empty band");
  assert.ok(isComplete({ ...emptyDraft("silence"), place: "370102", reason: "works", endsAt: "2027-01-01T00:00" }));
});

test("what is sent: trimmed, in UTC, days in order, only what belongs to the kind", () => {
  assert.deepEqual(bodyOf(market, "k"), {
    kind: "event",
    reason: "market",
    ends_at: new Date("2027-01-01T00:00").toISOString(),
    idempotency_key: "k",
    area_code: "370102",
    hazard: "crowd",
    weekly: { bands: [{ days: ["sat", "sun"], start: "22:00", until: "02:00" }] },
  });
  const faults = bodyOf({ ...market, kind: "maintenance", scope: "node_id", place: "edge-01" }, "k");
  assert.equal(faults.node_id, "edge-01");
  assert.ok(!("hazard" in faults) && !("weekly" in faults) && !("area_code" in faults));
});

test("bands in words", () => {
  const weekly = { bands: [{ days: ["mon" as const, "tue" as const], start: "22:00", until: "02:00" }] };
  assert.equal(weeklyText(weekly, (day) => day.toUpperCase()), "MON TUE 22:00–02:00");
});
