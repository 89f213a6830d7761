/** The centre's time on this screen: ticks each second, corrected by the Date header of its answers. */
import { computed, ref } from "vue";

import { whenServerTime } from "@/api/http";

// The header is in whole seconds and the answer takes a moment: smaller differences are noise, not a wrong clock.
const NOISE_MS = 2_000;

let offsetMs = 0;

export const now = ref(Date.now());

/** So far apart a device's own clock is wrong to its owner, too; what it told by that clock the centre would not believe. */
const WRONG_MS = 180_000;
const apartMs = ref(0);
/** Seconds that this device's clock is ahead of the centre's, negative: behind. Null: near enough, or not known yet. */
export const clockAheadS = computed(() => (Math.abs(apartMs.value) > WRONG_MS ? -apartMs.value / 1000 : null));

/** The centre has told its time since this page was opened; before that `now` is the device's own. */
export const hasCentreTime = ref(false);

whenServerTime((serverMs) => {
  hasCentreTime.value = true;
  const apart = serverMs + 500 - Date.now();
  if (Math.abs(apart - offsetMs) > NOISE_MS) offsetMs = Math.abs(apart) > NOISE_MS ? apart : 0;
  apartMs.value = offsetMs;
});

setInterval(() => {
  now.value = Date.now() + offsetMs;
}, 1000);

/** Seconds from `iso` until now; negative when it lies ahead. */
export function secondsSince(iso: string): number {
  return (now.value - Date.parse(iso)) / 1000;
}
