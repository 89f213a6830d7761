import assert from "node:assert/strict";
import { test } from "node:test";

import type { Incident } from "../../api/types.ts";
import { callsForHelp, waitsForHelp } from "./calls_for_help.ts";

const calling = (id: string, askedAt: string, more: object = {}, answer: object | null = null): Incident =>
  ({
    incident_id: id,
    drill: false,
    task: { state: "arrived", help: { asked_at: askedAt, answer } },
    ...more,
  }) as unknown as Incident;

test("a call is announced once and stays unheard until it has sounded", () => {
  const calls = callsForHelp();
  const one = calling("a", "08:00");
  assert.deepEqual(calls.look([one]), { fresh: [one], unheard: [one] });
  assert.deepEqual(calls.look([one]), { fresh: [], unheard: [one] });
  calls.heard();
  assert.deepEqual(calls.look([one]), { fresh: [], unheard: [] });
});

test("a second call of the same worker is a new one, an answered one is over", () => {
  const calls = callsForHelp();
  calls.look([calling("a", "08:00")]);
  calls.heard();
  const second = calling("a", "08:20");
  assert.deepEqual(calls.look([second]), { fresh: [second], unheard: [second] });
  assert.deepEqual(calls.look([calling("a", "08:20", {}, { by: "desk" })]), { fresh: [], unheard: [] });
});

test("who waits is who has asked, stands there, and is in no drill", () => {
  assert.equal(waitsForHelp(calling("a", "08:00")), true);
  assert.equal(waitsForHelp(calling("a", "08:00", { drill: true })), false);
  assert.equal(waitsForHelp(calling("a", "08:00", { task: { state: "handled", help: { answer: null } } })), false);
  assert.equal(waitsForHelp(calling("a", "08:00", { task: null })), false);
});
