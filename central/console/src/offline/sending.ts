/**
 * Sends what waits, in order: each act's photographs first, then the act; drafts of photographs last.
 *
 * Invariants
 *   - One pass at a time; asked during a pass, another one follows. Two tabs sending at once do no harm: acts carry
 *     their key, photographs their hash.
 *   - An act leaves the list in the same step that hands its version to the next one, and only after the centre
 *     answered. Killed in between, it is sent again with its key, and the centre answers what it answered.
 *   - A held act (holding.ts) is not sent before its time; the clock is read before the list, so that an act that was
 *     undone in time cannot be on it.
 *   - A task, or the own reports, of which the centre takes no more just now is left for the next pass; others go on.
 *   - Bytes of a photograph go only after the centre has said that it has them.
 */
import type { TaskMove } from "../api/calls.ts";
import { ApiProblem } from "../api/http.ts";
import type { NewSighting } from "../api/sightings.ts";
import type { Task } from "../api/types.ts";
import {
  REPORT,
  afterSent,
  afterStuck,
  bodyOf,
  filesOf,
  judge,
  judgeReport,
  reportOf,
  type Act,
  type Answer,
  type Trouble,
} from "./acts.ts";
import { nextToSend } from "./holding.ts";
import type { Kept } from "./kept.ts";

/** A task whose numbers move faster than this many answers is left for the next pass. */
const MOST_REPEATS = 4;

export interface Centre {
  move(taskId: string, body: TaskMove): Promise<Task>;
  task(taskId: string): Promise<Task>;
  report(body: NewSighting): Promise<unknown>;
  sendPhoto(sha256: string, bytes: Uint8Array<ArrayBuffer>, onProgress: (share: number) => void, type?: string): Promise<void>;
}

/** "done": nothing waits any more. "later": the centre is away, or takes no more just now. "sign_in": the session is over. */
export type PassEnd = "done" | "later" | "sign_in";

export interface Told {
  onTask(task: Task): void;
  onProgress(sha256: string, share: number): void;
}

/** How one thing of a pass ended. */
type StepEnd = "next" | "later" | "throttled" | "sign_in";

export class Sender {
  readonly #kept: Kept;
  readonly #centre: Centre;
  readonly #told: Told;
  readonly #nowMs: () => number;
  readonly #centreNowMs: () => number;
  #pass: Promise<PassEnd> | null = null;
  #isAskedAgain = false;

  /** `nowMs`: by the phone's clock, which holds are counted by; `centreNowMs`: by the centre's, as far as it is known. */
  constructor(kept: Kept, centre: Centre, told: Told, nowMs: () => number = Date.now, centreNowMs: () => number = nowMs) {
    this.#kept = kept;
    this.#centre = centre;
    this.#told = told;
    this.#nowMs = nowMs;
    this.#centreNowMs = centreNowMs;
  }

  /** Sends what this person has waiting; what belongs to somebody else is not touched. */
  async send(userId: string): Promise<PassEnd> {
    if (this.#pass) {
      this.#isAskedAgain = true;
      return this.#pass;
    }
    this.#pass = this.#passes(userId);
    try {
      return await this.#pass;
    } finally {
      this.#pass = null;
    }
  }

  async #passes(userId: string): Promise<PassEnd> {
    for (;;) {
      this.#isAskedAgain = false;
      const end = await this.#onePass(userId);
      if (end !== "done" || !this.#isAskedAgain) return end;
    }
  }

  async #onePass(userId: string): Promise<PassEnd> {
    const throttled = new Set<string>();
    for (;;) {
      const nowMs = this.#nowMs();
      const act = nextToSend(await this.#kept.acts(), userId, nowMs, throttled);
      if (!act) break;
      const end = await this.#sendAct(act);
      if (end === "throttled") throttled.add(act.taskId);
      else if (end !== "next") return end;
    }
    for (const photo of await this.#kept.photos()) {
      if (photo.userId !== userId || photo.received || photo.refused !== null) continue;
      const end = await this.#sendPhoto(photo.sha256);
      if (end === "later" || end === "sign_in") return end;
    }
    return throttled.size > 0 ? "later" : "done";
  }

  async #sendAct(act: Act): Promise<StepEnd> {
    for (const sha256 of filesOf(act)) {
      const end = await this.#sendPhoto(sha256);
      if (end === "later" || end === "sign_in") return end;
      if (end !== "next") return this.#stick(act, end);
    }
    if (act.move === REPORT) return this.#sendReport(act);
    let version = act.version ?? (await this.#versionNow(act));
    if (typeof version === "string") return version;
    for (let repeat = 0; repeat < MOST_REPEATS; repeat += 1) {
      const answer = await this.#ask(act, version);
      const verdict = judge({ ...act, version }, answer);
      if (verdict.kind === "again") {
        version = verdict.version;
        continue;
      }
      if (verdict.kind === "stuck") return this.#stick(act, verdict.trouble, answer);
      if (verdict.kind === "sent" && answer.kind === "done") return this.#settle(act, answer.task);
      return verdict.kind === "sign_in" || verdict.kind === "throttled" ? verdict.kind : "later";
    }
    return "later";
  }

  async #sendReport(act: Act): Promise<StepEnd> {
    try {
      await this.#centre.report(reportOf(act, this.#centreNowMs()));
    } catch (error) {
      if (!(error instanceof ApiProblem)) return "later";
      const verdict = judgeReport(error.status, error.message);
      if (verdict.kind === "stuck") return this.#stick(act, verdict.trouble);
      return verdict.kind === "sign_in" || verdict.kind === "throttled" ? verdict.kind : "later";
    }
    await this.#kept.changeActs([act.n], []);
    await this.#kept.dropPhotos(filesOf(act));
    return "next";
  }

  /** For an act whose forerunner was sent before it was on the list: the task must stand as the worker expected. */
  async #versionNow(act: Act): Promise<number | StepEnd> {
    const task = await this.#taskNow(act.taskId);
    if (task === undefined) return "later";
    const verdict = judge(act, { kind: "problem", status: 409, detail: "", task });
    if (verdict.kind === "again") return verdict.version;
    return verdict.kind === "stuck" ? this.#stick(act, verdict.trouble) : "later";
  }

  async #ask(act: Act, version: number): Promise<Answer> {
    try {
      return { kind: "done", task: await this.#centre.move(act.taskId, bodyOf(act, version)) };
    } catch (error) {
      if (!(error instanceof ApiProblem)) return { kind: "no_answer" };
      const task = await this.#taskNow(act.taskId);
      const { taken_by: takenBy, reason } = error.problem;
      const said = { ...(typeof takenBy === "string" ? { takenBy } : {}), ...(typeof reason === "string" ? { reason } : {}) };
      return { kind: "problem", status: error.status, detail: error.message, ...said, task };
    }
  }

  /** Null: not there for this worker. Undefined: no answer. */
  async #taskNow(taskId: string): Promise<Task | null | undefined> {
    try {
      return await this.#centre.task(taskId);
    } catch (error) {
      return error instanceof ApiProblem && error.status === 404 ? null : undefined;
    }
  }

  async #settle(act: Act, task: Task): Promise<StepEnd> {
    this.#told.onTask(task); // before the act goes: the page never steps back
    await this.#kept.changeActs([act.n], afterSent(act, task, await this.#kept.acts()));
    await this.#kept.dropPhotos(filesOf(act));
    return "next";
  }

  async #stick(act: Act, trouble: Trouble, answer?: Answer): Promise<StepEnd> {
    const rest = act.move === REPORT ? [] : await this.#kept.acts(); // no report needs the one before it
    await this.#kept.changeActs([], afterStuck(act, trouble, rest));
    if (answer?.kind === "problem" && answer.task) this.#told.onTask(answer.task);
    return "next";
  }

  /** "next" once the centre has it; a Trouble when it never will. */
  async #sendPhoto(sha256: string): Promise<"next" | "later" | "sign_in" | Trouble> {
    const photo = (await this.#kept.photos()).find((one) => one.sha256 === sha256);
    if (photo?.received) return "next";
    const bytes = photo ? await this.#kept.photoBytes(sha256) : null;
    if (!photo || !bytes) {
      if (photo) await this.#kept.photoRefused(sha256, "lost");
      return { kind: "photo_lost" };
    }
    try {
      await this.#centre.sendPhoto(sha256, bytes, (share) => this.#told.onProgress(sha256, share), photo.type);
    } catch (error) {
      if (!(error instanceof ApiProblem)) return "later";
      if (error.status === 401) return "sign_in";
      if (error.status !== 413 && error.status !== 415 && error.status !== 422) return "later";
      await this.#kept.photoRefused(sha256, error.message);
      return { kind: "refused", why: error.message };
    }
    await this.#kept.photoReceived(sha256);
    return "next";
  }
}
