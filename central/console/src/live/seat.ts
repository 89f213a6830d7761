/** What the centre has dealt to this person's seat, kept current. */
import { computed, onScopeDispose, shallowRef } from "vue";

import { seat as seatCalls } from "@/api/calls";
import type { Seat } from "@/api/types";

import { listen } from "./feed";
import { presence } from "./presence";

/** A burst of events is read once. */
const SETTLE_MS = 300;
const NOTHING: Seat = { is_dealt: false, rows: [], waiting: { incidents: 0, first_due_at: null, rows: [] }, presence: null, silent_desks: [] };

export function useSeat() {
  const seat = shallowRef<Seat>(NOTHING);
  let settling: ReturnType<typeof setTimeout> | null = null;
  let reading = 0;

  async function read(): Promise<void> {
    const mine = (reading += 1);
    const found = await seatCalls.read().catch(() => null);
    if (!found || mine !== reading) return;
    seat.value = found;
    presence.value = found.presence;
  }

  function readSoon(): void {
    settling ??= setTimeout(() => {
      settling = null; // events that never pause are followed all the same
      void read();
    }, SETTLE_MS);
  }

  const stopListening = listen({
    onEvent: (event) => {
      if (event.kind === "incident" || event.kind === "seat") readSoon();
    },
    onResume: () => void read(),
  });
  void read();
  onScopeDispose(() => {
    stopListening();
    if (settling) clearTimeout(settling);
  });

  return { seat, isDealt: computed(() => seat.value.is_dealt), read };
}

export type SeatOf = ReturnType<typeof useSeat>;
