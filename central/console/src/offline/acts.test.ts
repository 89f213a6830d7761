import assert from "node:assert/strict";
import { test } from "node:test";

import { afterSent, afterStuck, bodyOf, isPoor, judge, taskAsIf, versionFor, type Act, type Answer } from "./acts.ts";
import { ME, act, problem, task } from "./made_up.ts";

const TAKE = act(1, "take", { from: "offered", version: 3 });
const ARRIVE = act(2, "arrive", { from: "taken" });
const HANDLED = act(3, "handled", { from: "arrived" });

test("a task is shown as it will be, with the times at which things were done", () => {
  const shown = taskAsIf(task("offered", 3), [TAKE, ARRIVE]);
  assert.deepEqual([shown.state, shown.taken_at, shown.arrived_at], ["arrived", TAKE.at, ARRIVE.at]);
});

test("told of its own act by the stream before the answer, the task does not step back", () => {
  assert.equal(taskAsIf(task("taken", 4), [TAKE, ARRIVE]).state, "arrived");
});

test("what the centre decided meanwhile counts more than what waits", () => {
  assert.equal(taskAsIf(task("withdrawn", 9), [TAKE, ARRIVE]).state, "withdrawn");
});

test("acts of another task and stuck acts change nothing", () => {
  const before = task("offered", 3);
  assert.equal(taskAsIf(before, [{ ...TAKE, taskId: "other" }]), before);
  assert.equal(taskAsIf(before, [{ ...TAKE, trouble: { kind: "changed" } }]), before);
});

test("only the first act on a task has a version of its own", () => {
  assert.equal(versionFor(task("offered", 3), []), 3);
  assert.equal(versionFor(task("taken", 3), [TAKE]), null);
  assert.equal(versionFor(task("taken", 3), [{ ...TAKE, taskId: "other" }]), 3);
});

for (const [name, answer, expected] of [
  ["no answer waits", { kind: "no_answer" }, { kind: "later" }],
  ["a session that is over asks to sign in", problem(401, null), { kind: "sign_in" }],
  ["too many requests: this one waits", problem(429, task("offered", 3)), { kind: "throttled" }],
  ["a fault of the centre waits", problem(500, task("offered", 3)), { kind: "later" }],
  ["refused, and nobody says how the task stands: waits", problem(409, undefined), { kind: "later" }],
  ["numbers moved on: again on the new version", problem(409, task("offered", 5)), { kind: "again", version: 5 }],
  [
    "withdrawn meanwhile",
    problem(409, task("withdrawn", 5)),
    { kind: "stuck", trouble: { kind: "changed", state: "withdrawn" } },
  ],
  ["out of sight", problem(404, null), { kind: "stuck", trouble: { kind: "not_yours" } }],
  ["taken by somebody who is named", { ...problem(409, null), takenBy: "王网格" } as Answer, { kind: "stuck", trouble: { kind: "not_yours", by: "王网格" } }],
  ["taken by somebody else", problem(409, task("taken", 5, "u-2")), { kind: "stuck", trouble: { kind: "not_yours" } }],
  [
    "not possible in the state it has by now",
    problem(422, task("closed", 5)),
    { kind: "stuck", trouble: { kind: "changed", state: "closed" } },
  ],
  [
    "refused for another reason",
    problem(422, task("offered", 3)),
    { kind: "stuck", trouble: { kind: "refused", state: "offered", why: "the centre's words" } },
  ],
] as const) {
  test(`an answer: ${name}`, () => assert.deepEqual(judge(TAKE, answer), expected));
}

test("the act after one that was sent goes on from the version it left", () => {
  assert.deepEqual(afterSent(TAKE, task("taken", 4, "u-1"), [ARRIVE, HANDLED]), [{ ...ARRIVE, version: 4 }]);
  assert.deepEqual(afterSent(TAKE, task("taken", 4, "u-1"), []), []);
});

test("when the answer tells of another state, what follows is stuck, all of it", () => {
  const changed = afterSent(TAKE, task("withdrawn", 5), [ARRIVE, HANDLED]);
  assert.deepEqual(changed.map(({ trouble }: Act) => trouble?.kind), ["changed", "earlier"]);
});

test("what follows a stuck act on its task is stuck with it; other tasks go on", () => {
  const other = act(4, "take", { from: "offered", version: 1, taskId: "other" });
  const changed = afterStuck(TAKE, { kind: "not_yours" }, [TAKE, ARRIVE, HANDLED, other]);
  assert.deepEqual(changed.map(({ n, trouble }) => [n, trouble?.kind]), [
    [1, "not_yours"],
    [2, "earlier"],
    [3, "earlier"],
  ]);
});

const HELP = act(4, "help", { from: "taken", given: { reason_code: "danger" } });
const HERE = { longitude: 117, latitude: 36, accuracy_m: 15, age_s: 2 };
const CHECK_IN = act(5, "check_in", { from: "taken", given: { fix: HERE } });

test("a call for help and a check-in leave the task as it is, and are shown before they are sent", () => {
  const shown = taskAsIf(task("taken", 3), [HELP, CHECK_IN]);
  assert.equal(shown.state, "taken");
  assert.deepEqual([shown.help?.reason_code, shown.help?.answer, shown.help?.asked_at], ["danger", null, HELP.at]);
  assert.deepEqual([shown.checked_in?.accuracy_m, shown.checked_in?.distance_m], [15, null]);
});

test("a call for help on a task that was withdrawn meanwhile is not shown", () => {
  assert.equal(taskAsIf(task("withdrawn", 9), [HELP]).help, undefined);
});

test("a call that follows an act gets the version that one left", () => {
  const [next] = afterSent(act(3, "take", { from: "offered" }), task("taken", 7, ME), [HELP]);
  assert.deepEqual([next?.move, next?.version], ["help", 7]);
});

test("a fix is poor above 100 m or after a minute", () => {
  assert.equal(isPoor({ ...HERE, accuracy_m: 100, age_s: 60 }), false);
  assert.equal(isPoor({ ...HERE, accuracy_m: 100.5 }), true);
  assert.equal(isPoor({ ...HERE, age_s: 61 }), true);
});

test("the body of a check-in carries the fix", () => {
  assert.deepEqual(bodyOf(CHECK_IN, 4).fix, HERE);
});
