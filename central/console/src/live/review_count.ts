/**
 * How many incidents ended by themselves and wait to be reviewed, for the menu of every desk page.
 *
 * Counted by the centre, once for all who show it: at first, and after news of an incident at most every RE_READ_MS.
 */
import { onScopeDispose, readonly, ref } from "vue";

import { get } from "@/api/http";

import { onSignOut } from "./account";
import { listen } from "./feed";

const RE_READ_MS = 15_000;

export interface ReviewCount {
  waiting: number;
  /** At least so many. */
  is_more: boolean;
}

const count = ref<ReviewCount | null>(null);
let readAtMs = 0;
let due: ReturnType<typeof setTimeout> | null = null;
onSignOut(() => {
  count.value = null;
  readAtMs = 0;
});

async function read(): Promise<void> {
  readAtMs = Date.now();
  const found = await get<ReviewCount>("/api/reviews/count").catch(() => null);
  if (found) count.value = found;
}

function readSoon(): void {
  due ??= setTimeout(() => {
    due = null;
    void read();
  }, Math.max(0, readAtMs + RE_READ_MS - Date.now()));
}

/** This page has said something itself: the number follows at once. */
export function recountReviews(): void {
  void read();
}

export function useReviewCount() {
  const stop = listen({
    onEvent: (event) => {
      if (event.kind === "incident" && event.incident.close_reason === "ended_by_itself") readSoon();
    },
    onResume: readSoon,
  });
  onScopeDispose(() => {
    stop();
    if (due) clearTimeout(due);
    due = null;
  });
  readSoon();
  return readonly(count);
}
