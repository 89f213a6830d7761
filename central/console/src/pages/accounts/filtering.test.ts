import assert from "node:assert/strict";
import { test } from "node:test";

import type { Account } from "../../api/accounts.ts";
import { passes } from "./filtering.ts";

const LI: Account = {
  user_id: "1",
  username: "li.na",
  display_name: "李娜",
  role: "operator",
  area_code: "370102003",
  area: { name: "东河镇", name_en: "Donghe", level: "township" },
  holder: "P-117",
  disabled: false,
  created_at: "2026-01-01T00:00:00Z",
  has_second_factor: true,
  breach: null,
  live_right: null,
};
const ANY = { text: "", role: "", standing: "all" } as const;

test("an account is found by any of what its row shows, every word counting", () => {
  for (const text of ["", "李", "LI.NA", "p-117", "370102", "donghe 李娜"]) assert.ok(passes(LI, { ...ANY, text }), text);
  for (const text of ["wang", "donghe wang"]) assert.ok(!passes(LI, { ...ANY, text }), text);
});

test("role and standing narrow it", () => {
  assert.ok(!passes(LI, { ...ANY, role: "worker" }));
  assert.ok(passes(LI, { ...ANY, standing: "active" }));
  for (const standing of ["disabled", "live", "breach"] as const) assert.ok(!passes(LI, { ...ANY, standing }), standing);
  assert.ok(passes({ ...LI, disabled: true }, { ...ANY, standing: "disabled" }));
  assert.ok(passes({ ...LI, breach: "two of three" }, { ...ANY, standing: "breach" }));
});
