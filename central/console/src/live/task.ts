/** The worker's tasks, kept current, and the moves on one of them: honest about what the centre has and has not got. */
import { computed, onScopeDispose, reactive, ref, watch, type Ref } from "vue";

import { tasks as calls, type TaskMove } from "@/api/calls";
import { ApiProblem } from "@/api/http";
import { randomId } from "@/api/random_id";
import type { CentreEvent, Task, TaskMoveName } from "@/api/types";

import { user } from "./account";
import { listen } from "./feed";

/** "The centre has it" is about the last move only: it must not stand beside the next one. */
const SAID_MS = 2_500;

const LIVE = new Set(["offered", "taken", "arrived", "handled"]);

function isMine(task: Task): boolean {
  return task.worker === null || task.worker.user_id === user.value?.user_id;
}

export function useTaskList() {
  const found = reactive(new Map<string, Task>());
  const isLoaded = ref(false);
  const hasFailed = ref(false);

  function take(task: Task): void {
    const known = found.get(task.task_id);
    if (known && known.version > task.version) return;
    if (!isMine(task)) found.delete(task.task_id);
    // A task that ends while it is on the screen stays, so that the worker reads why.
    else if (known || LIVE.has(task.state)) found.set(task.task_id, task);
  }

  async function read(): Promise<void> {
    try {
      const { items } = await calls.open();
      const open = new Set(items.map((task) => task.task_id));
      const gone = [...found.values()].filter((task) => LIVE.has(task.state) && !open.has(task.task_id));
      items.forEach(take);
      isLoaded.value = true;
      hasFailed.value = false;
      // Ended while the link was down: read how, so that the card can say it.
      await Promise.all(gone.map((task) => calls.one(task.task_id).then(take, () => found.delete(task.task_id))));
    } catch {
      hasFailed.value = !isLoaded.value;
    }
  }

  function onEvent(event: CentreEvent): void {
    if (event.kind === "task") take(event.task);
    if (event.kind === "incident") {
      for (const task of found.values()) {
        const isNewer = event.incident.version >= task.incident.version;
        if (task.incident_id === event.incident.incident_id && isNewer) task.incident = event.incident;
      }
    }
  }

  const stop = listen({ onEvent, onResume: () => void read() });
  void read();
  onScopeDispose(stop);

  const sorted = computed(() =>
    [...found.values()].sort(
      (a, b) =>
        Number(!LIVE.has(a.state)) - Number(!LIVE.has(b.state)) ||
        a.incident.severity - b.incident.severity ||
        a.offered_at.localeCompare(b.offered_at),
    ),
  );
  return { tasks: sorted, isLoaded, hasFailed, read, take, dismiss: (id: string) => found.delete(id) };
}

export type Saving =
  | { kind: "idle" }
  | { kind: "saving" }
  | { kind: "saved" }
  | { kind: "no_answer" }
  | { kind: "conflict" }
  | { kind: "refused"; why: string };

type Given = Omit<TaskMove, "move" | "version" | "idempotency_key">;

/** Sends moves on a task. The same attempt keeps its key until the centre answers: a second tap never counts twice. */
export function useTaskMoves(adopt: (task: Task) => void) {
  const saving = ref<Saving>({ kind: "idle" });
  let last: { task: Task; body: TaskMove } | null = null;

  async function move(task: Task, name: TaskMoveName, given: Given = {}): Promise<boolean> {
    if (saving.value.kind === "saving") return false;
    last = { task, body: { move: name, version: task.version, idempotency_key: randomId(), ...given } };
    return send();
  }

  async function send(): Promise<boolean> {
    if (!last) return false;
    const { task, body } = last;
    saving.value = { kind: "saving" };
    try {
      adopt(await calls.move(task.task_id, body));
      saving.value = { kind: "saved" };
      last = null;
      setTimeout(() => {
        if (saving.value.kind === "saved") saving.value = { kind: "idle" };
      }, SAID_MS);
      return true;
    } catch (error) {
      if (!(error instanceof ApiProblem)) {
        saving.value = { kind: "no_answer" };
        return false;
      }
      return refusedWith(error, task, body);
    }
  }

  async function refusedWith(error: ApiProblem, task: Task, body: TaskMove): Promise<boolean> {
    last = null;
    const after = await calls.one(task.task_id).catch(() => null);
    if (after) adopt(after);
    if (error.status === 409 && after && after.state === task.state && after.version !== body.version) {
      // Only numbers moved on (another picture of the same hazard): what the worker saw still stands.
      last = { task: after, body: { ...body, version: after.version, idempotency_key: randomId() } };
      return send();
    }
    saving.value = error.status === 409 ? { kind: "conflict" } : { kind: "refused", why: error.message };
    return false;
  }

  return { saving, move, retry: send, clear: () => (saving.value = { kind: "idle" }) };
}

export function useTask(taskId: Ref<string>) {
  const task = ref<Task | null>(null);
  const problem = ref<"not_found" | "failed" | null>(null);

  function adopt(found: Task): void {
    if (found.task_id !== taskId.value) return;
    if (task.value && task.value.task_id === found.task_id && task.value.version > found.version) return;
    task.value = found;
    problem.value = null;
  }

  async function read(): Promise<void> {
    try {
      adopt(await calls.one(taskId.value));
    } catch (error) {
      if (error instanceof ApiProblem && error.status < 500) problem.value = "not_found";
      else if (!task.value) problem.value = "failed";
    }
  }

  const stop = listen({
    onEvent: (event) => {
      if (event.kind === "task") adopt(event.task);
      if (event.kind === "incident" && task.value && event.incident.incident_id === task.value.incident_id) {
        if (event.incident.version >= task.value.incident.version) task.value.incident = event.incident;
      }
    },
    onResume: () => void read(),
  });
  onScopeDispose(stop);
  watch(
    taskId,
    () => {
      task.value = null;
      void read();
    },
    { immediate: true },
  );

  const moves = useTaskMoves(adopt);
  return { task, problem, read, ...moves };
}
