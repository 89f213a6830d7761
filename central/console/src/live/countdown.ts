/** How much of a running clock's limit is left, and how that looks: fine, short, resting, over. */
import { computed } from "vue";

import type { HoursCounted } from "@/api/types";
import { isCentreTime, now } from "@/live/now";
import { restsUntil, workedFromS } from "@/live/working_hours";

/** Moments as ISO 8601. `counts`: working hours only; none: every hour. */
export interface Running {
  due_at: string;
  started_at: string;
  breached: boolean;
  counts?: HoursCounted | null;
}

const SHORT_SHARE = 0.34;

/** Seconds until it is due, of those hours that it counts; below zero: since it was due, of all. */
export function secondsLeft(clock: Omit<Running, "started_at" | "breached">, atMs: number): number {
  const untilDue = (Date.parse(clock.due_at) - atMs) / 1000;
  return clock.counts && untilDue > 0 ? workedFromS(clock.counts, atMs) : untilDue;
}

/**
 * `running`: null while no clock runs. `rests`: the moment until which nothing of its limit passes, or null. By this
 * device's own clock nothing is over: only the centre's word counts then.
 */
export function useCountdown(running: () => Running | null) {
  const leftS = computed(() => {
    const clock = running();
    return clock ? secondsLeft(clock, now.value) : 0;
  });
  const isOver = computed(() => {
    const clock = running();
    return clock !== null && (clock.breached || (isCentreTime.value && leftS.value <= 0));
  });
  const rests = computed(() => {
    const clock = running();
    return clock?.counts && !isOver.value ? restsUntil(clock.counts, now.value) : null;
  });
  const share = computed(() => {
    const clock = running();
    if (!clock) return 0;
    const wholeS = secondsLeft(clock, Date.parse(clock.started_at));
    return wholeS > 0 ? Math.min(1, Math.max(0, leftS.value / wholeS)) : 0;
  });
  const tone = computed(() => {
    if (isOver.value) return "over";
    if (rests.value !== null) return "resting";
    return share.value < SHORT_SHARE ? "short" : "fine";
  });
  return { leftS, isOver, rests, share, tone };
}
