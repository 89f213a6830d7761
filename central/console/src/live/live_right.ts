/** Whether this person may watch live now: asked once, and again when it is some minutes old. */
import { ref } from "vue";

import { liveStanding } from "@/api/live_views";

import { onSignOut, user } from "./account";
import { may } from "./rights";

const GOOD_FOR_MS = 300_000;

const isOffered = ref(false);
let askedAtMs: number | null = null;

/** For whom the way to live view is shown. The centre decides again when it is gone. */
export function useLiveRight() {
  void ask();
  return isOffered;
}

async function ask(): Promise<void> {
  if (!may(user.value?.role, "watch_live")) return;
  if (askedAtMs !== null && performance.now() - askedAtMs < GOOD_FOR_MS) return;
  askedAtMs = performance.now();
  try {
    const standing = await liveStanding();
    isOffered.value = standing.is_on && standing.until !== null;
  } catch {
    askedAtMs = null; // the page goes on without it, and asks the next time
  }
}

onSignOut(() => {
  isOffered.value = false;
  askedAtMs = null;
});
