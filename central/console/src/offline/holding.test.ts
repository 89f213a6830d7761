import assert from "node:assert/strict";
import { test } from "node:test";

import { HOLD_MS, heldForMs, holdOf, nextToSend, untilNextMs } from "./holding.ts";
import { KeptInMemory } from "./kept.ts";
import { act, ME } from "./made_up.ts";

const AT = 1_000_000;
const HELD = act(1, "handled", { from: "arrived", heldUntilMs: AT + HOLD_MS });

test("what ends a task is held for ten seconds; take and arrive go at once", () => {
  assert.equal(HOLD_MS, 10_000);
  for (const move of ["handled", "refuse", "return", "check_in", "help"] as const) assert.equal(holdOf(move, AT), AT + HOLD_MS, move);
  for (const move of ["take", "arrive"] as const) assert.equal(holdOf(move, AT), undefined, move);
});

test("a held act can be undone until its time is over, then it can be sent, and never both", () => {
  for (const [atMs, isHeld] of [[AT, true], [AT + HOLD_MS - 1, true], [AT + HOLD_MS, false]] as const) {
    assert.equal(heldForMs(HELD, atMs) > 0, isHeld);
    assert.equal(nextToSend([HELD], ME, atMs) === undefined, isHeld);
  }
});

test("a clock that was set back, and an act kept by an older version, hold nothing", () => {
  assert.equal(heldForMs(HELD, AT - 3600_000), 0);
  assert.equal(heldForMs(act(1, "handled", {}), AT), 0);
});

test("what follows a held act on its task waits behind it; other tasks and other persons do not", () => {
  const behind = act(2, "take", {});
  const other = act(3, "take", { taskId: "other" });
  assert.equal(nextToSend([HELD, behind], ME, AT), undefined);
  assert.equal(nextToSend([HELD, behind, other], ME, AT), other);
  assert.equal(nextToSend([HELD, other], "u-2", AT), undefined);
  assert.equal(nextToSend([HELD, behind, other], ME, AT + HOLD_MS), HELD);
});

test("the next end of a hold is known", () => {
  assert.equal(untilNextMs([act(2, "take", {})], AT), null);
  const later = act(3, "refuse", { taskId: "other", heldUntilMs: AT + 9_000 });
  assert.equal(untilNextMs([later, { ...HELD, heldUntilMs: AT + 4_000 }], AT), 4_000);
});

test("an undo takes the act away and leaves its photographs as they were; after its time it takes nothing", async () => {
  const kept = new KeptInMemory();
  const photo = { sha256: "p1", userId: ME, taskId: "t-1", part: "after", at: "", bytes: 1, received: false, refused: null } as const;
  await kept.addPhoto(photo, new Uint8Array([1]));
  const given = { photos: ["p1"], note: "清走" };
  await kept.addAct({ ...HELD, given });
  assert.equal(await kept.undoAct(1, () => AT + HOLD_MS), null);
  assert.equal((await kept.acts()).length, 1);
  assert.deepEqual((await kept.undoAct(1, () => AT + 9_999))?.given, given);
  assert.deepEqual([await kept.acts(), await kept.photos()], [[], [photo]]);
  assert.deepEqual(await kept.photoBytes("p1"), new Uint8Array([1]));
  assert.equal(await kept.undoAct(1, () => AT), null, "twice does nothing");
});
