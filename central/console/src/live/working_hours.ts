/** Counting working hours only. Pure; moments in milliseconds. The centre names the hours, nobody here has a calendar. */
import type { HoursCounted } from "../api/types.ts";

/** Seconds of these hours that lie at or after a moment. */
export function workedFromS(hours: HoursCounted, atMs: number): number {
  const left = hours.periods.map(([begin, until]) => Math.max(0, Date.parse(until) - Math.max(Date.parse(begin), atMs)));
  return left.reduce((sum, one) => sum + one, 0) / 1000;
}

/** When work goes on, while it rests; null: it is worked, or nothing is ahead. */
export function restsUntil(hours: HoursCounted, atMs: number): string | null {
  const next = hours.periods.find(([, until]) => Date.parse(until) > atMs);
  return next !== undefined && Date.parse(next[0]) > atMs ? next[0] : null;
}
