/** A list is read again soon after what concerns it has changed: a burst of events is one reading, not one each. */
import { onScopeDispose } from "vue";

import type { CentreEvent } from "@/api/types";

import { listen } from "./feed";

/** Also when the link is back. `concerns`: whether an event does. */
export function useReadingSoon(read: () => Promise<void>, concerns: (event: CentreEvent) => boolean, gatherMs: number): void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const soon = (): void => {
    timer ??= setTimeout(() => {
      timer = null;
      void read();
    }, gatherMs);
  };
  const stopListening = listen({
    onEvent: (event) => {
      if (concerns(event)) soon();
    },
    onResume: soon,
  });
  onScopeDispose(() => {
    stopListening();
    if (timer) clearTimeout(timer);
  });
}
