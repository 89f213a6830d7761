/** From a suggestion to its words, and to the page where it is followed. Pure. */
import type { Suggestion } from "../../api/noise.ts";

/** A change with several reasons has a word for each: told apart by the figures that came. */
export function whyWord({ change, why }: Suggestion): string {
  const has = (name: string): boolean => name in why;
  if (change === "too_little") {
    if (has("judged")) return "why.too_little.judged";
    if (has("days")) return "why.too_little.days";
    return has("peers") ? "why.too_little.peers" : "why.too_little.repeats";
  }
  if (change === "fine") return has("peers") ? "why.fine.never" : "why.fine.judged";
  if (change === "check_view") return has("peers") ? "why.check_view.never" : "why.check_view.flapping";
  return `why.${change}`;
}

const SPANS_BY_NAME: Record<string, string> = { now_s: "now", to_s: "to", longest_s: "longest" };

/** Figures as the words name them; seconds become spans. */
export function figuresOf(
  why: Suggestion["why"],
  span: (seconds: number) => string,
): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(why).map(([name, value]) =>
      name in SPANS_BY_NAME ? [SPANS_BY_NAME[name], span(Number(value))] : [name, value],
    ),
  );
}

export type Where = "suggest" | "rule" | "silences" | "event" | null;

export function whereOf({ change }: Suggestion): Where {
  if (change === "search") return "suggest";
  if (change === "calendar") return "silences";
  if (change === "event_by_hand") return "event";
  if (change === "longer_dwell" || change === "longer_clear" || change === "check_view") return "rule";
  return null;
}
