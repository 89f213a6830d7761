/**
 * What a worker did on a task and the centre does not know yet, and what its answer means for it. Pure.
 *
 * Invariants
 *   - Acts are sent in the order in which they were made; one act keeps its key until it is sent or taken off the list.
 *   - An act either waits, or is stuck with the reason and stays until the worker has read it. None vanishes by itself.
 *   - An act that follows another one on the same task has no version of its own (`null`): it gets the version that the
 *     one before it left, and only when that left the task as the worker expected.
 */
import type { TaskMove } from "../api/calls.ts";
import type { NewSighting } from "../api/sightings.ts";
import type { Fix, Near, Task, TaskMoveName, TaskState } from "../api/types.ts";

/** What a worker reports of the own accord, but for its files. */
export type Report = Pick<NewSighting, "hazard" | "severity" | "longitude" | "latitude" | "accuracy_m" | "same_as" | "text">;

export type Given = Pick<TaskMove, "note" | "reason_code" | "photos" | "photos_before" | "fix" | "voices" | "until"> & {
  report?: Report;
};

/** An own report is an act of no task: `REPORT` stands for one, so that reports go in the order they were made. */
export const REPORT = "report";
export type ActName = TaskMoveName | typeof REPORT;

/** Why an act did not get through. `state`: of the task now, `by`: who has taken it, `reason`: a code, where the centre said so. */
export interface Trouble {
  kind: "not_yours" | "changed" | "refused" | "photo_lost" | "earlier";
  state?: TaskState;
  why?: string;
  reason?: string;
  by?: string;
}

/** What must be at the centre before the act: its photographs and voice notes, by hash. */
export const filesOf = ({ given }: Pick<Act, "given">): string[] => [...(given.photos ?? []), ...(given.voices ?? [])];

export interface Act {
  /** Place in the order; given by the store. */
  n: number;
  key: string;
  userId: string;
  taskId: string;
  move: ActName;
  /** The state of the task that the worker saw, acts before this one included. */
  from: TaskState;
  version: number | null;
  given: Given;
  /** When and where the worker did it; the position is coarse, null where it is not known. */
  at: string;
  /** Until then it can be undone and is not sent; absent: it goes at once. By the phone's own clock. */
  heldUntilMs?: number;
  near: Near | null;
  /** What it was about, to be said also when the task is out of sight; of an own report the area, never the exact place. */
  about: { hazard: string; place: string };
  trouble: Trouble | null;
}

export type NewAct = Omit<Act, "n">;

export type Answer =
  | { kind: "done"; task: Task }
  | { kind: "no_answer" }
  /** `task`: read afresh after a refusal; null when this worker may not see it; undefined when nobody answered. */
  | { kind: "problem"; status: number; detail: string; reason?: string; takenBy?: string | undefined; task: Task | null | undefined };

export type Verdict =
  | { kind: "sent" }
  | { kind: "again"; version: number }
  | { kind: "later" }
  /** Too much of this just now: what it is about waits, the rest goes on. */
  | { kind: "throttled" }
  | { kind: "sign_in" }
  | { kind: "stuck"; trouble: Trouble };

const FROM: Record<ActName, readonly TaskState[]> = {
  take: ["offered"],
  arrive: ["taken"],
  handled: ["taken", "arrived"],
  refuse: ["offered"],
  return: ["taken", "arrived"],
  check_in: ["taken", "arrived"],
  help: ["taken", "arrived"],
  message: ["taken", "arrived", "handled"],
  ask_suspension: ["taken", "arrived"],
  take_back_suspension: ["taken", "arrived"],
  resume: ["taken", "arrived"],
  ask_later_limit: ["taken"],
  take_back_later_limit: ["taken"],
  report: [],
};
/** Null: the task stays as it is. */
const AFTER: Record<ActName, TaskState | null> = {
  take: "taken",
  arrive: "arrived",
  handled: "handled",
  refuse: "refused",
  return: "refused",
  check_in: null,
  help: null,
  message: null,
  ask_suspension: null,
  take_back_suspension: null,
  resume: null,
  ask_later_limit: null,
  take_back_later_limit: null,
  report: null,
};

export const POOR_ABOVE_M = 100;
export const OLD_AFTER_S = 60;

export const isWaiting = (act: Act): boolean => act.trouble === null;

/** The task as it will be once the centre has the acts that wait; the same object when none changes it. */
export function taskAsIf(task: Task, acts: readonly Act[]): Task {
  let shown = task;
  for (const act of acts) {
    if (act.taskId !== task.task_id || !isWaiting(act) || shown.state === AFTER[act.move]) continue;
    if (!FROM[act.move].includes(shown.state)) break; // the centre has moved on: what it says counts
    shown = { ...shown, state: AFTER[act.move] ?? shown.state, ...toldBy(act) };
  }
  return shown;
}

function toldBy({ move, at, given }: Act): Partial<Task> {
  if (move === "help") {
    const { reason_code = null, note = null } = given;
    return { help: { reason_code, note, asked_at: at, where: null, answer: null } };
  }
  if (move === "check_in" && given.fix) {
    const { accuracy_m, age_s } = given.fix; // how far it is from the camera is the centre's to say
    return { checked_in: { at, distance_m: null, accuracy_m, age_s, is_inaccurate: isPoor(given.fix) } };
  }
  if (move === "take") return { taken_at: at };
  if (move === "arrive") return { arrived_at: at };
  return move === "handled" ? { handled_at: at } : {};
}

/** Too wide or too old to say where somebody is; the centre marks it by the same limits. */
export const isPoor = (fix: Fix): boolean => fix.accuracy_m > POOR_ABOVE_M || fix.age_s > OLD_AFTER_S;

/** The version a new act on this task is decided on: null when acts on it still wait. */
export function versionFor(task: Task, acts: readonly Act[]): number | null {
  return acts.some((act) => act.taskId === task.task_id && isWaiting(act)) ? null : task.version;
}

/** What an answer means for the act it answers. */
export function judge(act: Act, answer: Answer): Verdict {
  if (answer.kind === "done") return { kind: "sent" };
  if (answer.kind === "no_answer") return { kind: "later" };
  const { status, task, takenBy, detail, reason } = answer;
  if (status === 401) return { kind: "sign_in" };
  if (status === 429) return { kind: "throttled" };
  if (status === 403 || status >= 500) return { kind: "later" };
  if (task === undefined) return { kind: "later" }; // without knowing how the task stands nothing can be said about it
  if (task === null || isOthers(task, act.userId)) {
    return { kind: "stuck", trouble: { kind: "not_yours", ...(takenBy ? { by: takenBy } : {}) } };
  }
  if (status === 409) {
    // Only numbers moved on (another picture of the same hazard): what the worker saw still stands.
    if (task.state === act.from && task.version !== act.version) return { kind: "again", version: task.version };
    return { kind: "stuck", trouble: { kind: "changed", state: task.state } };
  }
  if (task.state !== act.from) return { kind: "stuck", trouble: { kind: "changed", state: task.state } };
  return { kind: "stuck", trouble: { kind: "refused", state: task.state, why: detail, ...(reason ? { reason } : {}) } };
}

/** The same for an own report, which no task decides about: nothing can have moved on. */
export function judgeReport(status: number, detail: string): Verdict {
  if (status === 401) return { kind: "sign_in" };
  if (status === 429) return { kind: "throttled" };
  if (status === 403 || status >= 500) return { kind: "later" };
  return { kind: "stuck", trouble: { kind: "refused", why: detail } };
}

/** What is stuck is never sent: its exact place is not kept. */
function bare({ fix: _gone, report, ...given }: Given): Given {
  if (!report) return given;
  const { longitude: _east, latitude: _north, accuracy_m: _wide, ...said } = report;
  return { ...given, report: said };
}

/** The acts on the same task after one that was sent: the next gets its version, or all of them are stuck. */
export function afterSent(sent: Act, task: Task, rest: readonly Act[]): Act[] {
  const following = rest.filter((act) => act.taskId === sent.taskId && act.n > sent.n && isWaiting(act));
  const next = following[0];
  if (!next || next.version !== null) return [];
  if (task.state === next.from && !isOthers(task, sent.userId)) return [{ ...next, version: task.version }];
  const trouble: Trouble = { kind: "changed", state: task.state };
  return following.map((act, index) => ({ ...act, given: bare(act.given), trouble: index === 0 ? trouble : { kind: "earlier" } }));
}

/**
 * The act with its trouble, and those after it on the same task, which cannot go without it. One that leaves the task as
 * it is takes nothing with it: what follows does not rest on it, and asks the centre how the task stands.
 */
export function afterStuck(stuck: Act, trouble: Trouble, rest: readonly Act[]): Act[] {
  const following = rest.filter((act) => act.taskId === stuck.taskId && act.n > stuck.n && isWaiting(act));
  const first = { ...stuck, given: bare(stuck.given), trouble };
  if (AFTER[stuck.move] === null) return following[0] ? [first, { ...following[0], version: null }] : [first];
  return [
    first,
    ...following.map((act) => ({ ...act, given: bare(act.given), trouble: { kind: "earlier" as const } })),
  ];
}

/** Those after an act that was undone on its task which took it for done: they follow on what the worker saw before it. */
export function afterUndone(undone: Act, rest: readonly Act[]): Act[] {
  const after = AFTER[undone.move];
  return rest
    .filter((act) => act.taskId === undone.taskId && act.n > undone.n && isWaiting(act) && after !== null && act.from === after)
    .map((act) => ({ ...act, from: undone.from }));
}

export function bodyOf(act: Act, version: number): TaskMove {
  const near = act.near ? { near: act.near } : {};
  if (act.move === REPORT) throw new Error("a report is no move of a task"); // sending.ts asks before
  return { move: act.move, version, idempotency_key: act.key, acted_at: act.at, ...near, ...act.given };
}

/** The centre takes no report of another week or of the future: a time that cannot be is a wrong clock, and says nothing. */
const SEEN_WITHIN_MS = 7 * 86_400_000;

/** `nowMs`: by the centre's clock where it is known. */
export function reportOf(act: Act, nowMs: number): NewSighting {
  const { report, photos = [], voices = [] } = act.given;
  if (!report) throw new Error("a report without what it tells");
  const agoMs = nowMs - Date.parse(act.at);
  return {
    ...report,
    drill: false,
    idempotency_key: act.key,
    ...(agoMs >= 0 && agoMs < SEEN_WITHIN_MS ? { seen_at: act.at } : {}),
    ...(photos.length ? { photos } : {}),
    ...(voices.length ? { voices } : {}),
  };
}

function isOthers(task: Task, userId: string): boolean {
  return task.worker !== null && task.worker.user_id !== userId;
}
