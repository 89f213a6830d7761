import assert from "node:assert/strict";
import { test } from "node:test";

import type { TaskMove } from "../api/calls.ts";
import { ApiProblem, NoAnswer } from "../api/http.ts";
import type { NewSighting } from "../api/sightings.ts";
import type { Task, TaskState } from "../api/types.ts";
import { claim, endReading, KEPT_FOR_MS, ownerWithoutCentre, unsentOf } from "./device.ts";
import type { Act } from "./acts.ts";
import { KeptInMemory, looseOf, asKept, type KeptPhoto } from "./kept.ts";
import { act, ME, task } from "./made_up.ts";
import { Sender, type Centre } from "./sending.ts";

const AFTER: Record<string, TaskState> = { take: "taken", arrive: "arrived", handled: "handled", help: "taken", message: "arrived", ask_later_limit: "taken", take_back_later_limit: "taken" };

/** A centre with its rules: versions, keys, photos first. `isAway` and `losesAnswer` are the network. */
class FakeCentre implements Centre {
  now: Task = task("offered", 3);
  isAway = false;
  losesAnswer = false;
  /** By move: the status it is refused with. */
  readonly refuses = new Map<string, number>();
  readonly done: string[] = [];
  readonly photos: string[] = [];
  readonly types: string[] = [];
  readonly #keys = new Set<string>();
  readonly #told = new Map<string, string>();

  async move(_taskId: string, body: TaskMove): Promise<Task> {
    this.#reach();
    if (this.#keys.has(body.idempotency_key)) return this.now;
    if (this.refuses.has(body.move)) throw refusal(this.refuses.get(body.move)!, "limit_passed");
    if (body.version !== this.now.version) throw refusal(409);
    const files = [...(body.photos ?? []), ...(body.voices ?? [])];
    if (files.some((sha256) => !this.photos.includes(sha256))) throw refusal(422);
    this.#keys.add(body.idempotency_key);
    this.done.push(body.move);
    this.now = task(AFTER[body.move]!, this.now.version + 1, ME);
    if (this.losesAnswer) throw new NoAnswer("cut");
    return this.now;
  }

  async task(): Promise<Task> {
    this.#reach();
    return this.now;
  }

  readonly reports: NewSighting[] = [];
  refusesReports = 0;

  async report(body: NewSighting): Promise<void> {
    this.#reach();
    if (this.refusesReports) throw refusal(this.refusesReports);
    const { seen_at: _, ...told } = body; // the centre's hash leaves it out (routes/sightings.py)
    const before = this.#told.get(body.idempotency_key);
    if (before !== undefined && before !== JSON.stringify(told)) throw refusal(409);
    if (before === undefined) this.reports.push(body);
    this.#told.set(body.idempotency_key, JSON.stringify(told));
    if (this.losesAnswer) throw new NoAnswer("cut");
  }

  async sendPhoto(sha256: string, _bytes: unknown, _onProgress: unknown, type?: string): Promise<void> {
    this.#reach();
    if (type) this.types.push(type);
    this.photos.push(sha256);
  }

  #reach(): void {
    if (this.isAway) throw new NoAnswer("away");
  }
}

const refusal = (status: number, reason = "") => new ApiProblem(status, { type: "about:blank", title: "no", status, ...(reason ? { reason } : {}) });

function photo(sha256: string, userId = ME): KeptPhoto {
  return { sha256, userId, taskId: "t-1", part: "after", at: "2026-11-26T04:00:00Z", bytes: 3, received: false, refused: null };
}

async function phone(): Promise<{ kept: KeptInMemory; centre: FakeCentre; sender: Sender }> {
  const kept = new KeptInMemory();
  const centre = new FakeCentre();
  await kept.addPhoto(photo("p1"), new Uint8Array([1, 2, 3]));
  await kept.addAct(act(0, "take", { key: "k1", from: "offered", version: 3 }));
  await kept.addAct(act(0, "arrive", { key: "k2", from: "taken" }));
  await kept.addAct(act(0, "handled", { key: "k3", from: "arrived", given: { photos: ["p1"] } }));
  const sender = new Sender(kept, centre, { onTask: () => undefined, onProgress: () => undefined });
  return { kept, centre, sender };
}

test("what was done without the centre goes in order, photographs before the act that names them, and then is gone", async () => {
  const { kept, centre, sender } = await phone();
  centre.isAway = true;
  assert.equal(await sender.send(ME), "later");
  assert.equal((await kept.acts()).length, 3);
  centre.isAway = false;
  assert.equal(await sender.send(ME), "done");
  assert.deepEqual(centre.done, ["take", "arrive", "handled"]);
  assert.deepEqual(centre.photos, ["p1"]);
  assert.equal(await unsentOf(kept), 0);
  assert.equal(await kept.photoBytes("p1"), null);
});

test("a voice note goes as what it is before the act that names it, and then is gone from the phone", async () => {
  const { kept, centre, sender } = await phone();
  const voice: KeptPhoto = { ...photo("v1"), part: "voice-reason", type: "audio/webm", lengthS: 4 };
  await kept.addPhoto(voice, new Uint8Array([4, 5]));
  assert.deepEqual(looseOf(await kept.photos(), await kept.acts()).map(({ sha256 }) => sha256), ["v1"]);
  await kept.addAct(act(0, "help", { key: "k4", from: "handled", given: { reason_code: "other", voices: ["v1"] } }));
  assert.deepEqual(looseOf(await kept.photos(), await kept.acts()), []);
  assert.equal(await sender.send(ME), "done");
  assert.deepEqual([centre.photos, centre.types, centre.done.at(-1)], [["p1", "v1"], ["audio/webm"], "help"]);
  assert.equal(await kept.photoBytes("v1"), null);
  assert.equal(await unsentOf(kept), 0);
});

test("an answer that is lost counts once: the same key is sent again", async () => {
  const { kept, centre, sender } = await phone();
  centre.losesAnswer = true;
  assert.equal(await sender.send(ME), "later");
  assert.deepEqual(centre.done, ["take"]);
  centre.losesAnswer = false;
  assert.equal(await sender.send(ME), "done");
  assert.deepEqual(centre.done, ["take", "arrive", "handled"]);
  assert.deepEqual(await kept.acts(), []);
});

test("a task withdrawn meanwhile: nothing more is sent, and every act stays to be read", async () => {
  const { kept, centre, sender } = await phone();
  centre.now = task("withdrawn", 7);
  assert.equal(await sender.send(ME), "done");
  assert.deepEqual(centre.done, []);
  const stuck = (await kept.acts()).map(({ move, trouble }) => [move, trouble?.kind, trouble?.state]);
  assert.deepEqual(stuck, [
    ["take", "changed", "withdrawn"],
    ["arrive", "earlier", undefined],
    ["handled", "earlier", undefined],
  ]);
});

test("a version that moved without changing the question is tried again on the new one", async () => {
  const { centre, sender } = await phone();
  centre.now = task("offered", 12);
  assert.equal(await sender.send(ME), "done");
  assert.deepEqual(centre.done, ["take", "arrive", "handled"]);
});

test("a refused act that leaves the task as it is takes nothing down with it: the work after it is sent", async () => {
  const { kept, centre, sender } = await phone();
  await kept.changeActs([1, 2, 3], []);
  centre.now = task("taken", 4, ME);
  centre.refuses.set("resume", 422);
  await kept.addAct(act(0, "resume", { key: "k4", from: "taken", version: 4 }));
  await kept.addAct(act(0, "arrive", { key: "k5", from: "taken" }));
  await kept.addAct(act(0, "handled", { key: "k6", from: "arrived", given: { photos: ["p1"] } }));
  assert.equal(await sender.send(ME), "done");
  assert.deepEqual([centre.done, centre.photos], [["arrive", "handled"], ["p1"]]);
  assert.deepEqual((await kept.acts()).map(({ move, trouble }) => [move, trouble?.kind]), [["resume", "refused"]]);
});

test("a later limit is asked for once, in its order, though every answer is lost; one that comes too late keeps the centre's code", async () => {
  const { kept, centre, sender } = await phone();
  await kept.changeActs([1, 2, 3], []);
  centre.now = task("taken", 4, ME);
  await kept.addAct(act(0, "ask_later_limit", { key: "k4", from: "taken", version: 4 }));
  await kept.addAct(act(0, "take_back_later_limit", { key: "k5", from: "taken" }));
  await kept.addAct(act(0, "ask_later_limit", { key: "k6", from: "taken" }));
  centre.losesAnswer = true;
  await sender.send(ME);
  assert.deepEqual(centre.done, ["ask_later_limit"]);
  centre.losesAnswer = false;
  centre.refuses.set("ask_later_limit", 422);
  assert.equal(await sender.send(ME), "done");
  assert.deepEqual(centre.done, ["ask_later_limit", "take_back_later_limit"]);
  assert.deepEqual((await kept.acts()).map(({ key, trouble }) => [key, trouble?.kind, trouble?.reason]), [["k6", "refused", "limit_passed"]]);
});

test("an act made while the one before it was just being sent finds its version", async () => {
  const { kept, centre, sender } = await phone();
  await kept.wipe();
  centre.now = task("taken", 8, ME);
  await kept.addAct(act(0, "arrive", { from: "taken", version: null }));
  assert.equal(await sender.send(ME), "done");
  assert.deepEqual(centre.done, ["arrive"]);
});

test("a photograph that is lost keeps its act from being sent, and says so", async () => {
  const { kept, centre, sender } = await phone();
  await kept.dropPhotos(["p1"]);
  assert.equal(await sender.send(ME), "done");
  assert.deepEqual(centre.done, ["take", "arrive"]);
  assert.deepEqual((await kept.acts()).map(({ move, trouble }) => [move, trouble?.kind]), [["handled", "photo_lost"]]);
});

test("a sign-out in the middle of a pass leaves nothing behind", async () => {
  const { kept, centre, sender } = await phone();
  centre.now = task("withdrawn", 7);
  const move = centre.move.bind(centre);
  centre.move = async (taskId, body) => {
    await kept.wipe();
    return move(taskId, body);
  };
  await sender.send(ME);
  assert.deepEqual([await kept.acts(), await kept.photos()], [[], []]);
});

test("what belongs to somebody else is not sent", async () => {
  const { kept, centre, sender } = await phone();
  await kept.addPhoto(photo("p2", "u-2"), new Uint8Array([1]));
  assert.equal(await sender.send("u-3"), "done");
  assert.deepEqual([centre.done, centre.photos, (await kept.acts()).length], [[], [], 3]);
});

test("a held act is not sent before its time, what was made before it is; undone, it never is", async () => {
  const kept = new KeptInMemory();
  const centre = new FakeCentre();
  let nowMs = 1_000;
  const sender = new Sender(kept, centre, { onTask: () => undefined, onProgress: () => undefined }, () => nowMs);
  await kept.addPhoto(photo("p1"), new Uint8Array([1, 2, 3]));
  await kept.addAct(act(0, "take", { key: "k1", from: "offered", version: 3 }));
  await kept.addAct(act(0, "arrive", { key: "k2", from: "taken" }));
  await kept.addAct(act(0, "handled", { key: "k3", from: "arrived", given: { photos: ["p1"] }, heldUntilMs: 9_000 }));
  assert.equal(await sender.send(ME), "done");
  assert.deepEqual([centre.done, (await kept.acts()).map(({ move, version }) => [move, version])], [["take", "arrive"], [["handled", 5]]]);
  await kept.undoAct(3, () => nowMs);
  nowMs = 9_000;
  assert.equal(await sender.send(ME), "done");
  assert.deepEqual(centre.done, ["take", "arrive"]);
  assert.deepEqual((await kept.photos()).map(({ sha256 }) => sha256), ["p1"], "a draft again");
  await kept.addAct(act(0, "handled", { key: "k4", from: "arrived", version: 5, given: { photos: ["p1"] }, heldUntilMs: 9_000 }));
  await sender.send(ME);
  await sender.send(ME);
  assert.deepEqual(centre.done, ["take", "arrive", "handled"], "once, when its time is over");
});

test("a message too many waits with its task, and holds up no other task and no report", async () => {
  const { kept, centre, sender } = await phone();
  await kept.changeActs([1, 2, 3], []);
  centre.now = task("arrived", 5, ME);
  centre.refuses.set("message", 429);
  await kept.addAct(act(0, "message", { key: "k4", from: "arrived", version: 5, taskId: "other", given: { note: "还在" } }));
  await kept.addAct(act(0, "handled", { key: "k5", from: "arrived", taskId: "other" }));
  await kept.addAct(act(0, "handled", { key: "k6", from: "arrived", version: 5 }));
  await kept.addAct(report("r1", { given: { report: SAID } }));
  assert.equal(await sender.send(ME), "later");
  assert.deepEqual([centre.done, centre.reports.length, centre.photos], [["handled"], 1, ["p1"]]);
  assert.deepEqual((await kept.acts()).map(({ key, trouble }) => [key, trouble]), [["k4", null], ["k5", null]]);
});

test("undone, an act leaves the message that was written after it to be sent", async () => {
  const { kept, centre, sender } = await phone();
  await kept.changeActs([1, 2, 3], []);
  centre.now = task("arrived", 5, ME);
  await kept.addAct(act(0, "handled", { key: "k4", from: "arrived", version: 5, heldUntilMs: Date.now() + 9_000 }));
  await kept.addAct(act(0, "message", { key: "k5", from: "handled", given: { note: "还有一辆" } }));
  assert.equal((await kept.undoAct(4, Date.now))?.move, "handled");
  assert.equal(await sender.send(ME), "done");
  assert.deepEqual([centre.done, await kept.acts()], [["message"], []]);
});

const SAID = { hazard: "fire_smoke", severity: 2, longitude: 117, latitude: 36, accuracy_m: 20, text: "" };
const report = (key: string, more: Partial<Act> = {}) =>
  act(0, "report", { key, taskId: "report", given: { report: SAID, photos: ["p1"] }, ...more });

test("an own report goes once, with its photographs before it, whatever answer was lost", async () => {
  const kept = new KeptInMemory();
  const centre = new FakeCentre();
  const seenMs = Date.parse("2026-11-26T04:00:00Z");
  let nowMs = seenMs + 8 * 3_600_000;
  const sender = new Sender(kept, centre, { onTask: () => undefined, onProgress: () => undefined }, () => nowMs);
  await kept.addPhoto(photo("p1"), new Uint8Array([1, 2, 3]));
  await kept.addAct(report("r1"));
  centre.losesAnswer = true;
  assert.equal(await sender.send(ME), "later");
  centre.losesAnswer = false;
  nowMs = seenMs - 60_000; // the phone has learnt the centre's time meanwhile, and tells no time of its own any more
  assert.equal(await sender.send(ME), "done");
  assert.deepEqual(centre.reports, [{ ...SAID, drill: false, idempotency_key: "r1", seen_at: "2026-11-26T04:00:00Z", photos: ["p1"] }]);
  assert.deepEqual([centre.photos, await kept.acts(), await kept.photos()], [["p1"], [], []]);
  await kept.addAct(report("r2", { at: "2025-11-26T04:00:00Z", given: { report: SAID } }));
  await sender.send(ME);
  assert.equal(centre.reports[1]?.seen_at, undefined, "by a clock that was a year behind");
});

test("a report that is refused stays with the reason and without its place; the next goes on", async () => {
  const kept = new KeptInMemory();
  const centre = new FakeCentre();
  const sender = new Sender(kept, centre, { onTask: () => undefined, onProgress: () => undefined });
  await kept.addAct(report("r1", { given: { report: SAID } }));
  centre.refusesReports = 503;
  assert.equal(await sender.send(ME), "later");
  centre.refusesReports = 422;
  assert.equal(await sender.send(ME), "done");
  centre.refusesReports = 0;
  await kept.addAct(report("r2", { given: { report: SAID } }));
  assert.equal(await sender.send(ME), "done");
  const left = await kept.acts();
  assert.deepEqual(left.map(({ key, trouble, given }) => [key, trouble?.kind, given.report?.longitude]), [["r1", "refused", undefined]]);
  assert.ok(!JSON.stringify(left).includes("117"));
  assert.equal(centre.reports.length, 1);
});

const LI = { user_id: ME, username: "li", display_name: "李", role: "worker", area: { code: "1", name: "g", level: "grid" } } as const;
const WANG = { ...LI, user_id: "u-2", username: "wang", display_name: "王" } as const;

test("another person's sign-in deletes nothing unsent; without it, everything of the one before", async () => {
  const { kept } = await phone();
  await claim(kept, LI, 0);
  assert.deepEqual(await claim(kept, WANG, 0), { name: "李", unsent: 3 });
  assert.equal((await kept.owner())?.user.user_id, ME);
  await kept.changeActs([1, 2, 3], []);
  assert.deepEqual(await claim(kept, WANG, 0), { name: "李", unsent: 1 }, "a photograph of no act is unsent work too");
  await kept.dropPhotos(["p1"]);
  await kept.putSeenTasks({ at: "2026-11-26T04:00:00Z", tasks: [task("taken", 4)] });
  assert.equal(await claim(kept, WANG, 0), null);
  assert.equal((await kept.owner())?.user.user_id, "u-2");
  assert.equal(await kept.seenTasks(), null);
});

test("a desk's sign-in makes no phone of its computer", async () => {
  const kept = new KeptInMemory();
  assert.equal(await claim(kept, { ...LI, role: "operator" }, 0), null);
  assert.equal(await kept.owner(), null);
});

test("tasks are read without the centre for a shift, not after the session's end, and never with a picture", async () => {
  const { kept } = await phone();
  await claim(kept, LI, 1_000);
  await kept.putSeenTasks({ at: "2026-11-26T04:00:00Z", tasks: [task("taken", 4)] });
  assert.equal((await kept.seenTasks())?.tasks[0]?.incident.picture, null);
  assert.equal(asKept(task("taken", 4)).incident.picture, null);
  const lane = { lane_id: "east", name: "East Lane", unit: "property", marking_photo: null, duty_phone: "0531 1190" };
  assert.ok(!JSON.stringify(asKept({ ...task("taken", 4), lanes: [lane] })).includes("0531"), "no number is kept");
  assert.equal((await ownerWithoutCentre(kept, 1_000 + KEPT_FOR_MS - 1))?.user_id, ME);
  assert.equal(await ownerWithoutCentre(kept, 1_000 + KEPT_FOR_MS), null);
  assert.equal(await kept.seenTasks(), null);
  await claim(kept, LI, 1_000);
  await kept.putSeenTasks({ at: "2026-11-26T04:00:00Z", tasks: [task("taken", 4)] });
  await endReading(kept);
  assert.equal(await kept.seenTasks(), null);
  assert.equal(await ownerWithoutCentre(kept, 2_000_000_000_000), null);
  assert.equal((await kept.acts()).length, 3, "unsent work waits for its owner");
});
