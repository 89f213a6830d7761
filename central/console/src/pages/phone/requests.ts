/** What a worker has asked a second person for, and whether another request may be made. Pure. */
import type { LaterLimit, Task, TaskMoveName } from "@/api/types";
import type { Act } from "@/offline/acts";

const ASKS: readonly TaskMoveName[] = ["ask_suspension", "ask_later_limit"];

/** Of the task's own requests, not of one before it. */
export function ownRequest<One extends { task_id: string }>(task: Task, found: One | null | undefined): One | null {
  return found?.task_id === task.task_id ? found : null;
}

export function isUnsent(task: Task, acts: readonly Act[], name: TaskMoveName): boolean {
  return acts.some((act) => act.taskId === task.task_id && act.move === name);
}

/** One request of a task waits at a time, and while it is suspended none; fire and severity 1 wait for nobody. */
export function mayRequest(task: Task, acts: readonly Act[]): boolean {
  const { incident } = task;
  const isWaiting =
    ["asked", "suspended"].includes(ownRequest(task, incident.suspension)?.standing ?? "") ||
    ownRequest(task, incident.later_limit)?.standing === "asked" ||
    ASKS.some((name) => isUnsent(task, acts, name));
  return !isWaiting && incident.severity > 1 && incident.hazard !== "fire_smoke";
}

type Moved = Pick<LaterLimit, "standing" | "times" | "until" | "due_before" | "first_due_at">;

/** How often the limit that runs now was moved; that of a worker before it is another one. */
export function timesMoved(request: Moved | null): number {
  if (!request) return 0;
  return request.standing === "moved" ? request.times : request.times - 1;
}

/** When the limit that is due at `dueMs` would be if nobody had moved it: both waited while the task was suspended. */
export function firstDueMs(dueMs: number, request: Moved | null): number {
  if (!request || timesMoved(request) === 0) return dueMs;
  const dueThen = request.standing === "moved" ? request.until : request.due_before;
  return Date.parse(request.first_due_at) + dueMs - Date.parse(dueThen);
}
