/**
 * The worker's phone, one for all its pages: tasks as the centre last told them, acts and photographs that it has not
 * got yet, and the sending of them.
 *
 * Invariants
 *   - Every act is kept on the device before anything is sent, and the page shows the task as it will be; that the
 *     centre has it is said only after the centre said so.
 *   - What nobody can take back is held on the device for HOLD_MS and can be undone until then (offline/holding.ts).
 *   - What is sent, shown or written belongs to whoever is signed in; at the end of a session nothing stays in memory.
 */
import { computed, effectScope, reactive, ref, shallowRef, watch } from "vue";

import { tasks as calls } from "@/api/calls";
import { ApiProblem } from "@/api/http";
import { sendPhoto } from "@/api/photos";
import { sightings } from "@/api/sightings";
import { randomId } from "@/api/random_id";
import type { CentreEvent, Task, TaskMoveName } from "@/api/types";
import { REPORT, filesOf, isWaiting, taskAsIf, versionFor, type Act, type Given } from "@/offline/acts";
import { endReading, keptHere } from "@/offline/device";
import { HOLD_MS, heldForMs, holdOf, untilNextMs } from "@/offline/holding";
import { looseOf, type Kept } from "@/offline/kept";
import { startProgram } from "@/offline/program";
import { Sender, type PassEnd } from "@/offline/sending";

import { isProven, onSignOut, prove, user } from "./account";
import { dropEarly, takeEarly } from "./early_list";
import { hasBeenOpen, heardAtMs, linkState, listen } from "./feed";
import { now } from "./now";
import { addPhoto, addVoice, dropPhoto, endFiles, hasLost, mineOf, openPreview, photos, previews, progress, startFiles, takeFiles } from "./phone_files";
import { nearNow } from "./whereabouts";

/** "The centre has it" is about the last act only: it must not stand beside the next one. */
const SAID_MS = 2_500;
const SETTLE_MS = 300;
const SLOW_MS = 3_000;
const FIRST_RETRY_MS = 3_000;
const LONGEST_RETRY_MS = 60_000;
/** How often a live page writes down that what it shows is of now. */
const REMEMBER_EVERY_MS = 60_000;

const LIVE = new Set(["offered", "taken", "arrived", "handled"]);

/** What was told by the centre, by task_id; `listed` are those on the list (ended ones stay until they are read). */
const found = reactive(new Map<string, Task>());
const listed = reactive(new Set<string>());
const missing = reactive(new Set<string>());
const isLoaded = ref(false);
const hasFailed = ref(false);
/** When what is shown was told, while no live page vouches for it. */
const seenAtMs = ref<number | null>(null);

const acts = shallowRef<Act[]>([]);
const isLasting = ref(true);
const lastEnd = ref<PassEnd | "sending">("done");
const savedTask = ref<string | null>(null);
const isAdding = ref(false);
/** By task_id: what a report said that was undone; the page of the task takes it back. */
const undone = reactive(new Map<string, Given>());
const isOnline = ref(navigator.onLine);
/** How far ahead a worker may ask to suspend; null: not told yet, the centre will judge. */
const suspensionLongestS = ref<number | null>(null);
/** How far after its first moment, and how often, a limit is moved; null: not told yet. */
const laterLimitLongestS = ref<number | null>(null);
const laterLimitMost = ref<number | null>(null);

let stop: (() => void) | null = null;
let kept: Kept | null = null;
let sender: Sender | null = null;
let retry: ReturnType<typeof setTimeout> | null = null;
let holding: ReturnType<typeof setTimeout> | null = null;
let noting: ReturnType<typeof setTimeout> | null = null;
let failures = 0;
/** The last reading of the list failed. */
let isStale = false;

const isMine = (task: Task): boolean => task.worker === null || task.worker.user_id === user.value?.user_id;

function adopt(task: Task, isAskedFor = false): void {
  const known = found.get(task.task_id);
  if (known && known.version > task.version) return;
  if (!isMine(task)) {
    found.delete(task.task_id);
    listed.delete(task.task_id);
    missing.add(task.task_id);
    return;
  }
  // A task that ends while it is on the screen stays, so that the worker reads why.
  if (!known && !isAskedFor && !LIVE.has(task.state)) return;
  missing.delete(task.task_id);
  found.set(task.task_id, task);
  if (LIVE.has(task.state)) listed.add(task.task_id);
}

function onEvent(event: CentreEvent): void {
  seenAtMs.value = Date.now();
  if (event.kind === "task") {
    adopt(event.task);
    void remember(); // at once: the signal may be gone a moment later
  } else rememberSoon();
  if (event.kind === "incident") {
    for (const task of found.values()) {
      const isNewer = event.incident.version >= task.incident.version;
      if (task.incident_id === event.incident.incident_id && isNewer) task.incident = event.incident;
    }
  }
}

async function read(): Promise<void> {
  try {
    const { items, suspension_longest_s, later_limit_longest_s, later_limit_most } = await calls.open();
    dropEarly(); // whatever it says is older
    suspensionLongestS.value = suspension_longest_s;
    laterLimitLongestS.value = later_limit_longest_s;
    laterLimitMost.value = later_limit_most;
    const open = new Set(items.map((task) => task.task_id));
    const gone = [...found.values()].filter((task) => LIVE.has(task.state) && !open.has(task.task_id));
    items.forEach((task) => adopt(task));
    isLoaded.value = true;
    hasFailed.value = isStale = false;
    seenAtMs.value = Date.now();
    // Ended while the link was down: read how, so that the card can say it.
    await Promise.all(gone.map((task) => readOne(task.task_id)));
    await Promise.all([remember(), tidy(open)]);
  } catch {
    isStale = true;
    hasFailed.value = !isLoaded.value;
  } finally {
    void startProgram(); // after the list: the program's files would share a thin line with it
  }
}

async function readOne(taskId: string): Promise<void> {
  try {
    adopt(await calls.one(taskId), true);
    hasFailed.value = false;
  } catch (error) {
    if (error instanceof ApiProblem && error.status !== 401 && error.status < 500) {
      found.delete(taskId);
      listed.delete(taskId);
      missing.add(taskId);
    } else if (!found.has(taskId)) hasFailed.value = true;
  }
}

/** Writes down the text of what is on the list, for the time without a connection. */
async function remember(): Promise<void> {
  if (!isProven.value || seenAtMs.value === null) return;
  const tasks = [...found.values()].filter((task) => LIVE.has(task.state));
  await kept?.putSeenTasks({ at: new Date(seenAtMs.value).toISOString(), tasks }).catch(() => undefined);
}

/** A burst of events is written down once. */
function rememberSoon(): void {
  noting ??= setTimeout(() => {
    noting = null;
    void remember();
  }, SETTLE_MS);
}

/** Photographs for tasks that are over, which no act took along, are of no use to anybody. */
async function tidy(open: Set<string>): Promise<void> {
  // A list has a page only: what is not on it has been read by itself.
  const isOver = (taskId: string): boolean => {
    const task = found.get(taskId);
    return task ? !LIVE.has(task.state) : missing.has(taskId);
  };
  const over = loosePhotos.value.filter((photo) => !open.has(photo.taskId) && isOver(photo.taskId));
  if (over.length > 0) await kept?.dropPhotos(over.map((photo) => photo.sha256));
}

/** What was seen last, until the centre answers. */
async function recall(from: Kept): Promise<void> {
  const seen = await from.seenTasks();
  if (!seen || isLoaded.value) return;
  seen.tasks.filter((task) => !found.has(task.task_id)).forEach((task) => adopt(task));
  seenAtMs.value = Date.parse(seen.at);
  isLoaded.value = true;
}

async function showEarly(): Promise<void> {
  const items = await takeEarly();
  if (!items || !stop) return;
  items.forEach((task) => adopt(task));
  isLoaded.value = true;
  seenAtMs.value = Date.now();
  await remember();
}

async function start(): Promise<void> {
  if (stop || !user.value) return; // a part of the page that comes late, after its session has ended, starts nothing
  const stopListening = listen({ onEvent, onResume: () => void catchUp() });
  const timer = setInterval(() => {
    if (linkState.value !== "live") return;
    seenAtMs.value = heardAtMs.value;
    void remember();
  }, REMEMBER_EVERY_MS);
  // Of no page's scope: it lives as long as the session.
  const scope = effectScope(true);
  scope.run(() => {
    watch(linkState, (state) => {
      if (state === "live" && (isStale || lastEnd.value === "later")) void catchUp();
    });
    watch(acts, sendWhenHoldEnds);
  });
  let stopWatching: () => void = () => undefined;
  stop = () => {
    stopListening();
    clearInterval(timer);
    scope.stop();
    stopWatching();
  };
  const here = await keptHere();
  if (!user.value) return;
  kept = here;
  startFiles(here);
  isLasting.value = here.isLasting;
  sender = new Sender(
    here,
    { move: calls.move, task: calls.one, report: sightings.report, sendPhoto },
    { onTask: onSent, onProgress: (sha256, share) => progress.set(sha256, share) },
    Date.now,
    () => now.value,
  );
  acts.value = mineOf(await here.acts());
  stopWatching = here.watch((allActs, allPhotos) => {
    acts.value = mineOf(allActs);
    takeFiles(allPhotos);
  });
  await recall(here).catch(() => undefined);
  void showEarly();
  await catchUp();
}

/** The centre may be there again: who am I, what waits, what has changed. */
async function catchUp(): Promise<void> {
  await Promise.all([sendNow(), read()]);
}

async function sendNow(): Promise<void> {
  const userId = user.value?.user_id;
  if (!sender || !userId) return;
  if (retry) clearTimeout(retry);
  retry = null;
  lastEnd.value = "sending";
  const sent = (await prove()) ? await sender.send(userId).catch((): PassEnd => "later") : "later";
  // An enrolled phone opens a new session by itself; on another the page is gone by then.
  const end = sent === "sign_in" && stop !== null ? "later" : sent;
  lastEnd.value = end;
  failures = end === "later" ? failures + 1 : 0;
  if (end === "later") {
    retry = setTimeout(() => void sendNow(), Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1)));
  }
}

/** A photograph or a note goes before the act that it belongs to. */
function sendFile(): void {
  void sendNow();
}

/** Also after a reload: what was held when the page was closed goes when its time is over. */
function sendWhenHoldEnds(): void {
  if (holding) clearTimeout(holding);
  const leftMs = untilNextMs(acts.value, Date.now());
  holding =
    leftMs === null
      ? null
      : setTimeout(() => {
          sendWhenHoldEnds();
          void sendNow();
        }, leftMs);
}

function onSent(task: Task): void {
  adopt(task, true);
  void remember();
  savedTask.value = task.task_id;
  setTimeout(() => {
    if (savedTask.value === task.task_id) savedTask.value = null;
  }, SAID_MS);
}

/** Keeps the act, then sends it when it can. `task`: as the worker saw it. False: nothing was done. */
async function move(task: Task, name: TaskMoveName, given: Given = {}): Promise<boolean> {
  if (isAdding.value || !user.value) return false;
  isAdding.value = true;
  savedTask.value = null;
  try {
    const here = await keptHere();
    await here.addAct({
      key: randomId(),
      userId: user.value.user_id,
      taskId: task.task_id,
      move: name,
      from: task.state,
      version: versionFor(task, acts.value),
      given: JSON.parse(JSON.stringify(given)) as Given, // no proxies into the storage
      at: new Date(now.value).toISOString(),
      heldUntilMs: holdOf(name, Date.now()),
      near: nearNow(),
      about: { hazard: task.incident.hazard, place: task.incident.place.camera_name },
      trouble: null,
    });
    acts.value = mineOf(await here.acts());
    hasLost.value = false;
    void navigator.storage?.persist?.(); // unsent work is no cache that a browser may clear
  } catch {
    hasLost.value = true;
    return false;
  } finally {
    isAdding.value = false;
  }
  void sendNow();
  return true;
}

/** Takes a held act back: the task, its photographs and its words are as they were. False: it is too late. */
async function undo(act: Act): Promise<boolean> {
  const taken = (await kept?.undoAct(act.n, Date.now).catch(() => null)) ?? null;
  if (!kept || !taken) return false;
  acts.value = mineOf(await kept.acts());
  if (taken.move === "handled" || taken.move === REPORT) undone.set(taken.taskId, taken.given); // last: the page looks at the task as it is again
  void sendNow(); // what waited behind it
  return true;
}

/** What the undone act on this task said, once. */
function takeUndone(taskId: string): Given | undefined {
  const given = undone.get(taskId);
  undone.delete(taskId);
  return given;
}

/** The worker has read why an act did not get through: it goes, and its photographs with it. */
async function dismissAct(act: Act): Promise<void> {
  await kept?.changeActs([act.n], []);
  await kept?.dropPhotos(filesOf(act));
}

/** The session is over: nothing of it stays on the page, and its text not on the device. */
function end(): void {
  stop?.();
  stop = null;
  if (retry) clearTimeout(retry);
  if (holding) clearTimeout(holding);
  retry = holding = null;
  if (kept) void endReading(kept).catch(() => undefined);
  kept = sender = null;
  for (const one of [found, listed, missing, undone]) one.clear();
  acts.value = [];
  endFiles();
  isLoaded.value = hasFailed.value = hasLost.value = false;
  seenAtMs.value = null;
  lastEnd.value = "done";
  failures = 0;
}

onSignOut(end);
window.addEventListener("online", () => {
  isOnline.value = true;
  if (stop) void catchUp();
});
window.addEventListener("offline", () => {
  isOnline.value = false;
});
document.addEventListener("visibilitychange", () => {
  if (stop && document.visibilityState === "visible") void sendNow();
});

const waiting = computed(() => acts.value.filter(isWaiting));
/** Those that can still be undone, with the whole seconds left. */
const held = computed(() => {
  void now.value; // counts down each second
  const nowMs = Date.now();
  return acts.value
    .map((act) => ({ act, leftS: Math.ceil(heldForMs(act, nowMs) / 1000) }))
    .filter(({ leftS }) => leftS > 0);
});
const stuck = computed(() => acts.value.filter((act) => !isWaiting(act)));
const loosePhotos = computed(() => looseOf(photos.value, acts.value));
/** What a sign-out would delete. */
const unsent = computed(() => acts.value.length + loosePhotos.value.length);
/** Sending takes longer than a breath: worth a line. */
const isSlow = computed(() =>
  waiting.value.some((act) => now.value - Date.parse(act.at) > SLOW_MS + (act.heldUntilMs === undefined ? 0 : HOLD_MS)),
);
const isAway = computed(
  () => !isOnline.value || !isProven.value || linkState.value === "lost" || linkState.value === "reconnecting",
);
/** Seconds since what is shown was told; null while it is of now. */
const ageS = computed(() => {
  void now.value; // grows each second
  const seenMs = Math.max(hasBeenOpen.value ? heardAtMs.value : 0, seenAtMs.value ?? 0);
  return isAway.value && seenMs > 0 ? Math.max(0, Date.now() - seenMs) / 1000 : null;
});
const tasks = computed(() =>
  [...listed]
    .flatMap((id) => found.get(id) ?? [])
    .map((task) => taskAsIf(task, acts.value))
    .sort(
      (a, b) =>
        Number(!LIVE.has(a.state)) - Number(!LIVE.has(b.state)) ||
        a.incident.severity - b.incident.severity ||
        a.offered_at.localeCompare(b.offered_at),
    ),
);

export type Saving = "idle" | "held" | "saving" | "kept" | "saved";

/** What became of the last act on this task. */
function savingOf(taskId: string): Saving {
  if (held.value.some(({ act }) => act.taskId === taskId)) return "held";
  if (waiting.value.some((act) => act.taskId === taskId)) {
    return isAway.value || lastEnd.value === "later" ? "kept" : "saving";
  }
  return savedTask.value === taskId ? "saved" : "idle";
}

export function usePhone() {
  void start();
  return {
    tasks,
    isLoaded,
    hasFailed,
    read: catchUp,
    readOne,
    dismissTask: (taskId: string) => listed.delete(taskId),
    /** As it will be once the centre has what waits; undefined while it is not known. */
    taskOf: (taskId: string): Task | undefined => {
      const task = found.get(taskId);
      return task && taskAsIf(task, acts.value);
    },
    isMissing: (taskId: string): boolean => missing.has(taskId),
    waiting,
    held,
    undo,
    isUndone: (taskId: string): boolean => undone.has(taskId),
    takeUndone,
    stuck,
    unsent,
    isSlow,
    isAway,
    isLasting,
    hasLost,
    suspensionLongestS,
    laterLimitLongestS,
    laterLimitMost,
    ageS,
    isAdding,
    move,
    savingOf,
    dismissAct,
    loosePhotos,
    progress,
    previews,
    addPhoto: (...given: Parameters<typeof addPhoto>) => addPhoto(...given).then(sendFile),
    addVoice: (...given: Parameters<typeof addVoice>) => addVoice(...given).then(sendFile),
    openPreview,
    dropPhoto,
  };
}
