/** The order of the queue: severity, then time left. Pure. */
import type { Incident } from "../../api/types.ts";

export type Filter = "all" | "toJudge" | "inHand" | "breached";

export function isBreached(incident: Incident, nowMs: number): boolean {
  const { clock } = incident;
  return clock !== null && clock.kind !== "resume" && !clock.paused_at && (clock.breached || Date.parse(clock.due_at) <= nowMs);
}

export function passes(incident: Incident, filter: Filter, nowMs: number): boolean {
  if (filter === "toJudge") return incident.state === "open" || incident.state === "to_check";
  if (filter === "inHand") return incident.state !== "open" && incident.state !== "to_check";
  if (filter === "breached") return isBreached(incident, nowMs);
  return true;
}

/** Most severe first; within it the clock that runs out first, then the longest known. No clock: last. */
export function sortedIds(incidents: Iterable<Incident>): string[] {
  return [...incidents].sort(compare).map((incident) => incident.incident_id);
}

/** The end of a suspension is no limit: until then nobody has to hurry. */
function dueMs({ clock }: Incident): number {
  return clock && clock.kind !== "resume" && !clock.paused_at ? Date.parse(clock.due_at) : Number.POSITIVE_INFINITY;
}

function compare(a: Incident, b: Incident): number {
  if (a.severity !== b.severity) return a.severity - b.severity;
  const dueA = dueMs(a);
  const dueB = dueMs(b);
  if (dueA !== dueB) return dueA < dueB ? -1 : 1;
  return a.opened_at.localeCompare(b.opened_at) || a.incident_id.localeCompare(b.incident_id);
}

/**
 * The order while the pointer rests on the list: nothing that was there moves or goes, what is new joins at the end.
 * An id that has left the queue keeps its row until the pointer leaves.
 */
export function heldIds(shown: string[], wanted: string[]): string[] {
  const known = new Set(shown);
  return [...shown, ...wanted.filter((id) => !known.has(id))];
}
