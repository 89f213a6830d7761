/** Where a value lies in a chart. Pure. */

/** Fewer cases than this are shown as a number of cases, not as a rate or a percentile: one of them would move it far. */
export const TOO_FEW = 5;

/** Seconds that a person reads easily; the axis takes those that fit. */
const READABLE_S = [1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 86_400, 4 * 86_400, 15 * 86_400, 40 * 86_400];

export interface TimeAxis {
  /** Where the axis begins and ends, seconds. */
  from_s: number;
  to_s: number;
  ticks_s: number[];
}

/** A logarithmic axis over some durations, null where there are none. At most `most` ticks. */
export function timeAxis(durations_s: readonly number[], most = 6): TimeAxis | null {
  const known = durations_s.filter((one) => Number.isFinite(one) && one >= 0);
  if (known.length === 0) return null;
  const [shortest, longest] = [Math.max(1, Math.min(...known)), Math.max(1, ...known)];
  const first = READABLE_S.filter((one) => one < shortest).at(-1) ?? 1;
  const last = READABLE_S.find((one) => one > longest) ?? longest * 1.1;
  const within = READABLE_S.filter((one) => one >= first && one <= last);
  const every = Math.max(1, Math.ceil(within.length / most));
  return { from_s: first, to_s: last, ticks_s: within.filter((_, number) => number % every === 0) };
}

/** How far along the axis, 0 to 1. */
export function shareOf(seconds: number, axis: TimeAxis): number {
  const at = Math.log(Math.max(axis.from_s, seconds) / axis.from_s) / Math.log(axis.to_s / axis.from_s);
  return Math.min(1, Math.max(0, at));
}

/** The top of an axis of counts: 2, 4, 6 or 10 times a power of ten, so that its half is whole too. */
export function roundTop(largest: number): number {
  for (let power = 1; ; power *= 10) {
    for (const times of [2, 4, 6, 10]) if (times * power >= largest) return times * power;
  }
}

/** Every day of a span, both ends included, at most `most` of them: "2026-11-23". */
export function daysBetween(from: string, to: string, most = 400): string[] {
  const found: string[] = [];
  for (let at = Date.parse(`${from}T00:00:00Z`); at <= Date.parse(`${to}T00:00:00Z`) && found.length < most; at += 86_400_000) {
    found.push(new Date(at).toISOString().slice(0, 10));
  }
  return found;
}
