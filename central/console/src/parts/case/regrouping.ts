/** What the dialogs of merging decide by themselves. Pure. */
import type { Incident, Mergeable, TaskState } from "../../api/types.ts";

type Task = NonNullable<Incident["task"]>;

const LIVE: TaskState[] = ["offered", "taken", "arrived", "handled"];
const UNDER_WAY: TaskState[] = ["offered", "taken", "arrived"];

/** What can be merged first, nearest first; without a point on the map: after those with one. */
export function byNearest(found: Mergeable[]): Mergeable[] {
  return [...found].sort(
    (a, b) =>
      Number(a.why_not !== null) - Number(b.why_not !== null) ||
      (a.distance_m ?? Number.POSITIVE_INFINITY) - (b.distance_m ?? Number.POSITIVE_INFINITY) ||
      a.incident.number.localeCompare(b.incident.number),
  );
}

/** Whether an incident is meant by the words: its number, camera or area. */
export function isFound({ number, place, area }: Incident, words: string): boolean {
  const wanted = words.trim().toLowerCase();
  const names = [number, place.camera_id, place.camera_name, area.name, area.name_en ?? ""];
  return wanted === "" || names.some((name) => name.toLowerCase().includes(wanted));
}

/** Both tasks where the person must say which goes on: both live, and the other incident's still under way. */
export function tasksToChoose(into: Incident, other: Incident): { task: Task; number: string }[] {
  if (!into.task || !other.task) return [];
  if (!LIVE.includes(into.task.state) || !UNDER_WAY.includes(other.task.state)) return [];
  return [into, other].map((incident) => ({ task: incident.task as Task, number: incident.number }));
}
