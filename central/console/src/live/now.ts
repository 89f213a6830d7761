/**
 * The centre's time on this screen: ticks each second, corrected by the Date header of the centre's answers.
 *
 * Until the first answer nobody knows how wrong this device's clock is: `isCentreTime` is false, `now` is the device's
 * own time, and no page may judge a limit by it.
 */
import { computed, ref } from "vue";

import { whenServerTime } from "@/api/http";

import { apartBy, correctedMs } from "./clock_apart";

let offsetMs = 0;

export const now = ref(Date.now());
/** The centre has answered this page at least once: `now` is its time. */
export const isCentreTime = ref(false);

/** So far apart a device's own clock is wrong to its owner, too; what it told by that clock the centre would not believe. */
const WRONG_MS = 180_000;
const apartMs = ref(0);
/** Seconds that this device's clock is ahead of the centre's, negative: behind. Null: near enough, or not known yet. */
export const clockAheadS = computed(() => (Math.abs(apartMs.value) > WRONG_MS ? -apartMs.value / 1000 : null));

whenServerTime((serverMs, tookMs) => {
  offsetMs = correctedMs(offsetMs, apartBy(serverMs, Date.now(), tookMs), tookMs);
  apartMs.value = offsetMs;
  isCentreTime.value = true;
  tick(); // not at the next second: what is painted until then would be judged by the device's clock
});

function tick(): void {
  now.value = Date.now() + offsetMs;
}

setInterval(tick, 1000);

/** Seconds from `iso` until now; negative when it lies ahead. */
export function secondsSince(iso: string): number {
  return (now.value - Date.parse(iso)) / 1000;
}
