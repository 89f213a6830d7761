import assert from "node:assert/strict";
import { test } from "node:test";

import { asSchedule, DAYS, isOverMidnight, toggled, written } from "./schedule.ts";

test("a schedule is shown whole or stays text: nothing of it is dropped by a form", () => {
  assert.deepEqual(asSchedule(undefined), {});
  const night = { bands: [{ start: "22:00", until: "06:00" }], exceptions: [{ first: "2026-10-01", last: "2026-10-07" }] };
  assert.deepEqual(asSchedule(night), night);
  for (const other of ["always", [1], { bands: [{ start: 22 }] }, { bands: [{ start: "1:00", until: "2:00", days: ["never"] }] }, { of_a_newer_centre: 1 }]) {
    assert.equal(asSchedule(other), null);
  }
});

test("what says nothing is not written", () => {
  assert.equal(written({ bands: [], exceptions: [] }), undefined);
  assert.deepEqual(written({ bands: [{ start: "08:00", until: "18:00" }], exceptions: [] }), { bands: [{ start: "08:00", until: "18:00" }] });
});

test("days keep the week's order, all of them need no word, and the last one stays", () => {
  const band = { start: "08:00", until: "18:00" };
  const work = toggled(toggled(band, "sun"), "sat");
  assert.deepEqual(work.days, ["mon", "tue", "wed", "thu", "fri"]);
  assert.equal("days" in toggled(toggled(work, "sun"), "sat"), false);
  const monday = { ...band, days: ["mon" as const] };
  assert.equal(toggled(monday, "mon"), monday);
  assert.equal(DAYS.length, 7);
});

test("a band that ends before it begins goes on over midnight", () => {
  assert.equal(isOverMidnight({ start: "22:00", until: "06:00" }), true);
  assert.equal(isOverMidnight({ start: "00:00", until: "24:00" }), false);
});
