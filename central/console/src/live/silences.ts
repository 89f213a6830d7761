/** Open silences and proposals, kept current. Events carry no `moves`: those are read anew when a row has changed. */
import { computed, onUnmounted, ref } from "vue";

import { silences as calls } from "@/api/calls";
import type { CalendarProposal, Silence } from "@/api/types";

import { listen } from "./feed";
import { now } from "./now";

/** Due so soon that somebody should look whether it is still right. */
export const SOON_MS = 24 * 3600 * 1000;

export function useSilences() {
  const open = ref<Silence[]>([]);
  const proposals = ref<CalendarProposal[]>([]);
  const isLoaded = ref(false);
  const hasFailed = ref(false);
  let asked = 0;

  async function read(): Promise<void> {
    const mine = ++asked;
    try {
      const [found, proposed] = await Promise.all([calls.allOpen(), calls.proposals()]);
      if (mine !== asked) return; // a later question is under way
      open.value = found;
      proposals.value = proposed;
      hasFailed.value = false;
      isLoaded.value = true;
    } catch {
      if (mine === asked) hasFailed.value = true;
    }
  }

  const stop = listen({
    onEvent: (event) => {
      if (event.kind === "silence" || event.kind === "calendar_proposal") void read();
    },
    onResume: () => void read(),
  });
  onUnmounted(stop);
  void read();

  const soonestFirst = computed(() => [...open.value].sort((a, b) => a.ends_at.localeCompare(b.ends_at)));
  const isSoon = (one: Silence): boolean => Date.parse(one.ends_at) - now.value < SOON_MS;
  return { silences: soonestFirst, proposals, isLoaded, hasFailed, isSoon, read };
}
