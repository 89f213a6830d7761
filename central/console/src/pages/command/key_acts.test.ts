import assert from "node:assert/strict";
import { test } from "node:test";

import { SHEET, actOf, nextToJudge, stepped, type Pressed } from "./key_acts.ts";

function press(key: string, more: Partial<Pressed> = {}): Pressed {
  return { key, ctrlKey: false, metaKey: false, altKey: false, isComposing: false, repeat: false, ...more };
}

test("a key is one act, and browser shortcuts stay the browser's", () => {
  assert.deepEqual(actOf(press("f")), { kind: "move", name: "false_alarm" });
  assert.deepEqual(actOf(press("n")), { kind: "next" });
  assert.equal(actOf(press("f", { ctrlKey: true })), null);
  assert.equal(actOf(press("r", { metaKey: true })), null);
  assert.equal(actOf(press("c", { isComposing: true })), null);
  assert.equal(actOf(press("z")), null);
});

test("a key that is held down steps on and judges nothing", () => {
  assert.deepEqual(actOf(press("j", { repeat: true })), { kind: "step", by: 1 });
  for (const key of ["c", "f", "p", "n", "x"]) assert.equal(actOf(press(key, { repeat: true })), null);
});

test("every single key of the sheet does something", () => {
  for (const [keys] of SHEET) {
    for (const key of keys.split(" ").filter((one) => /^[A-Z?]$/.test(one))) assert.ok(actOf(press(key.toLowerCase())), key);
  }
});

test("steps stay within the list", () => {
  assert.equal(stepped(["a", "b"], null, 1), "a");
  assert.equal(stepped(["a", "b"], null, -1), "b");
  assert.equal(stepped(["a", "b"], "b", 1), "b");
  assert.equal(stepped(["a", "b"], "b", -1), "a");
  assert.equal(stepped(["a", "b"], "gone", 1), "a");
  assert.equal(stepped([], "a", 1), null);
});

test("next is the first that waits for a judgement", () => {
  const waits = new Set(["b", "c"]);
  assert.equal(nextToJudge(["a", "b", "c"], "b", (id) => waits.has(id)), "c");
  assert.equal(nextToJudge(["a", "b"], "b", (id) => waits.has(id)), null);
});
