/** How much of a running clock's limit is left, and how that looks: fine, short, over. */
import { computed } from "vue";

import { isCentreTime, now } from "@/live/now";

/** Moments as ISO 8601. */
export interface Running {
  due_at: string;
  started_at: string;
  breached: boolean;
}

const SHORT_SHARE = 0.34;

/** `running`: null while no clock runs. By this device's own clock nothing is over: only the centre's word counts then. */
export function useCountdown(running: () => Running | null) {
  const leftS = computed(() => {
    const clock = running();
    return clock ? (Date.parse(clock.due_at) - now.value) / 1000 : 0;
  });
  const isOver = computed(() => {
    const clock = running();
    return clock !== null && (clock.breached || (isCentreTime.value && leftS.value <= 0));
  });
  const share = computed(() => {
    const clock = running();
    if (!clock) return 0;
    const wholeS = (Date.parse(clock.due_at) - Date.parse(clock.started_at)) / 1000;
    return wholeS > 0 ? Math.min(1, Math.max(0, leftS.value / wholeS)) : 0;
  });
  const tone = computed(() => (isOver.value ? "over" : share.value < SHORT_SHARE ? "short" : "fine"));
  return { leftS, isOver, share, tone };
}
