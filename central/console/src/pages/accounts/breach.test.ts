import assert from "node:assert/strict";
import { test } from "node:test";

import { breachOf } from "./breach.ts";

test("why an account breaks the rule of the three is read out of the centre's words", () => {
  const became = "this account was audit administrator: its holder cannot become system administrator; give that to another person";
  assert.deepEqual(breachOf(became), { kind: "became", first: "auditor", role: "admin" });
  const holder = "a security administrator's account names its holder: the person's number, which no other account has";
  assert.deepEqual(breachOf(holder), { kind: "holder", role: "security" });
  assert.deepEqual(breachOf("the role 'chief' is none of this program"), { kind: "role", role: "chief" });
  assert.equal(breachOf("something new"), null);
});
