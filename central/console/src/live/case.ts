/** One incident with all its detail, kept current, and the moves on it. */
import { onScopeDispose, ref, watch, type Ref } from "vue";

import { incidents, tasks, type IncidentMove } from "@/api/calls";
import { ApiProblem } from "@/api/http";
import { randomId } from "@/api/random_id";
import type { Incident, IncidentDetail, MoveName, Task } from "@/api/types";

import { attempts } from "./attempts";
import { listen } from "./feed";

/** A burst of events about one incident is read once. */
const SETTLE_MS = 150;
/** A case that could not be read is read again by itself: nobody waits before a page that could show it by now. */
const AGAIN_MS = 3000;

export type MoveOutcome =
  | { kind: "done" }
  | { kind: "conflict"; state: string; by?: string }
  | { kind: "refused"; why: string; code?: string }
  | { kind: "no_answer" };

/** What a part of the page needs to merge or split: see `regroup` below. */
export type Regroup = ReturnType<typeof useCase>["regroup"];

export interface Given {
  reason_code?: string;
  note?: string;
}

export function useCase(incidentId: Ref<string | null>) {
  const detail = ref<IncidentDetail | null>(null);
  const task = ref<Task | null>(null);
  const problem = ref<"not_found" | "failed" | null>(null);
  const isBusy = ref(false);
  let settling: ReturnType<typeof setTimeout> | null = null;
  const attempt = attempts();

  async function read(): Promise<void> {
    const id = incidentId.value;
    if (!id) return;
    try {
      adopt(id, await incidents.one(id));
    } catch (error) {
      if (incidentId.value !== id) return;
      if (error instanceof ApiProblem && (error.status === 404 || error.status === 422)) problem.value = "not_found";
      else if (!detail.value) {
        problem.value = "failed";
        readIn(AGAIN_MS);
      }
    }
  }

  function adopt(id: string, found: IncidentDetail): void {
    if (incidentId.value !== id) return;
    if (detail.value?.incident_id === id && detail.value.version > found.version) return;
    detail.value = found;
    problem.value = null;
    void readTask(id, found.task?.task_id ?? null);
  }

  async function readTask(id: string, taskId: string | null): Promise<void> {
    const found = taskId ? await tasks.one(taskId).catch(() => null) : null;
    if (incidentId.value === id) task.value = found;
  }

  const readSoon = (): void => readIn(SETTLE_MS);

  function readIn(ms: number): void {
    if (settling) clearTimeout(settling);
    settling = setTimeout(() => void read(), ms);
  }

  /** `seen`: the incident as it was when the person decided; what is on the screen may be newer by now. */
  async function move(seen: IncidentDetail, name: MoveName, given: Given): Promise<MoveOutcome> {
    if (isBusy.value) return { kind: "no_answer" };
    isBusy.value = true;
    try {
      return await tryMove(seen, name, given, 2);
    } finally {
      isBusy.value = false;
    }
  }

  async function tryMove(
    before: IncidentDetail,
    name: MoveName,
    given: Given,
    retries: number,
  ): Promise<MoveOutcome> {
    const body: Omit<IncidentMove, "idempotency_key"> = { move: name, version: before.version, ...given };
    const said = await attempt(about(before, name), (key) => incidents.move(before.incident_id, { ...body, idempotency_key: key }));
    if (said.kind === "no_answer") return said;
    if (said.kind === "done") {
      adopt(before.incident_id, said.answer);
      return { kind: "done" };
    }
    await read();
    const after = detail.value;
    if (said.kind === "refused") return { kind: "refused", why: said.problem.message };
    // Only numbers moved on (another picture of the same hazard): nothing the operator decided by has changed.
    if (after && retries > 0 && isSameQuestion(before, after)) return tryMove(after, name, given, retries - 1);
    return { kind: "conflict", state: after?.state ?? before.state, ...whoWasFirst(said.problem) };
  }

  /**
   * A merge or a split of what the person saw. Never repeated on a newer version: which alerts are where is the
   * question itself.
   */
  async function regroup(
    seen: IncidentDetail,
    what: string,
    send: (key: string) => Promise<IncidentDetail>,
  ): Promise<MoveOutcome> {
    if (isBusy.value) return { kind: "no_answer" };
    isBusy.value = true;
    try {
      const said = await attempt(about(seen, what), send);
      if (said.kind === "no_answer") return said;
      if (said.kind === "done") {
        adopt(seen.incident_id, said.answer);
        return { kind: "done" };
      }
      await read();
      if (said.kind === "conflict") return { kind: "conflict", state: detail.value?.state ?? seen.state };
      const { reason } = said.problem.problem;
      return { kind: "refused", why: said.problem.message, ...(typeof reason === "string" ? { code: reason } : {}) };
    } finally {
      isBusy.value = false;
    }
  }

  /** Steps of a checklist, told to the centre. False: it did not take them. No move waits for it. */
  async function tick(id: string, steps: Record<string, boolean>): Promise<boolean> {
    try {
      adopt(id, await incidents.tick(id, steps, randomId()));
      return true;
    } catch {
      return false;
    }
  }

  watch(
    incidentId,
    () => {
      detail.value = null;
      task.value = null;
      problem.value = null;
      void read();
    },
    { immediate: true },
  );

  const stopListening = listen({
    onEvent: (event) => {
      if (event.kind === "incident" && event.incident.incident_id === incidentId.value) {
        if (detail.value) Object.assign(detail.value, newer(detail.value, event.incident));
        readSoon();
      } else if (event.kind === "task" && event.task.incident_id === incidentId.value) readSoon();
    },
    onResume: readSoon,
  });
  onScopeDispose(() => {
    stopListening();
    if (settling) clearTimeout(settling);
  });

  return { detail, task, problem, isBusy, read, move, regroup, tick };
}

/** The same move of the case as it was then. */
function about(seen: IncidentDetail, what: string): string {
  return `${seen.incident_id} ${seen.version} ${what}`;
}

/** Which person moved it last, if the centre says so. */
function whoWasFirst({ problem }: ApiProblem): { by?: string } {
  const said = problem.said_last as { by: string } | null | undefined;
  return said ? { by: said.by } : {};
}

function newer(known: Incident, told: Incident): Partial<Incident> {
  return told.version >= known.version ? told : {};
}

export function isSameQuestion(before: Incident, after: Incident): boolean {
  return (
    before.state === after.state &&
    before.severity === after.severity &&
    before.still_present === after.still_present &&
    before.task?.task_id === after.task?.task_id &&
    before.task?.state === after.task?.state
  );
}
