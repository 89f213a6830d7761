/** How earlier incidents ended, in the words an operator judges by: was it true, or what else was it? Pure. */

const ENDS = ["true", "false_alarm", "permitted", "ended_by_itself", "duplicate", "open"] as const;
export type End = (typeof ENDS)[number];

/** Somebody went there, or looked, and it was what was said. */
const TRUE = new Set(["verified", "checked_by_hand"]);

/** From the centre's counts by close reason; in a fixed order, without what did not happen. */
export function endsOf(byEnd: Readonly<Record<string, number>>): { end: End; count: number }[] {
  const counts = new Map<string, number>();
  for (const [reason, count] of Object.entries(byEnd)) {
    const end = TRUE.has(reason) ? "true" : reason;
    counts.set(end, (counts.get(end) ?? 0) + count);
  }
  return ENDS.flatMap((end) => {
    const count = counts.get(end) ?? 0;
    return count > 0 ? [{ end, count }] : [];
  });
}
