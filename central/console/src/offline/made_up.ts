/** Tasks, acts and answers for tests. */
import type { Task, TaskState } from "../api/types.ts";
import type { Act, ActName, Answer } from "./acts.ts";

export const ME = "u-1";

export function task(state: TaskState, version: number, workerId: string | null = null, taskId = "t-1"): Task {
  const made: Partial<Task> = {
    task_id: taskId,
    incident_id: "i-1",
    state,
    version,
    worker: workerId === null ? null : { user_id: workerId, display_name: workerId },
    offered_at: "2026-11-26T04:00:00Z",
    taken_at: null,
    arrived_at: null,
    handled_at: null,
    photos: [],
    incident: { incident_id: "i-1", picture: { sha256: "ab", received: true } } as Task["incident"],
  };
  return made as Task;
}

export function act(n: number, move: ActName, more: Partial<Act>): Act {
  return {
    n,
    key: `key-${n}`,
    userId: ME,
    taskId: "t-1",
    move,
    from: "offered",
    version: null,
    given: {},
    at: `2026-11-26T04:0${n}:00Z`,
    near: null,
    about: { hazard: "blocked_exit", place: "gate" },
    trouble: null,
    ...more,
  };
}

export function problem(status: number, now: Task | null | undefined): Answer {
  return { kind: "problem", status, detail: "the centre's words", task: now };
}
