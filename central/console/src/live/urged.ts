/** Whether a reminder still stands. Pure. */
import type { Incident, Urged } from "../api/types.ts";

const WAITING: ReadonlySet<string> = new Set(["open", "dispatched", "taken", "arrived"]);

/** The last reminder of a case, while what it reminded of is still to be done by the same; else null. */
export function urgedStill({ urged, state, task }: Pick<Incident, "urged" | "state" | "task">): Urged | null {
  if (!urged || !WAITING.has(state)) return null;
  if (urged.task_id === null) return state === "open" ? urged : null;
  return task?.task_id === urged.task_id ? urged : null;
}
