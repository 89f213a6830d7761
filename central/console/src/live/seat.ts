/** What the centre has dealt to this person's seat, kept current; and one judgement of a row. */
import { computed, onScopeDispose, shallowRef } from "vue";

import { seat as seatCalls } from "@/api/calls";
import { ApiProblem } from "@/api/http";
import { randomId } from "@/api/random_id";
import type { Incident, MoveName, Seat, SeatRow } from "@/api/types";

import type { Given } from "./case";
import { listen } from "./feed";
import { presence } from "./presence";

/** A burst of events is read once. */
const SETTLE_MS = 300;
const NOTHING: Seat = { is_dealt: false, rows: [], waiting: { incidents: 0, first_due_at: null, rows: [] }, presence: null, silent_desks: [] };

export type RowOutcome = { kind: "done" } | { kind: "conflict" | "refused"; why: string } | { kind: "no_answer" };

export function useSeat() {
  const seat = shallowRef<Seat>(NOTHING);
  let settling: ReturnType<typeof setTimeout> | null = null;
  // The same attempt keeps its key until the centre has answered, so that trying again never counts twice.
  let attempt: { what: string; key: string } | null = null;
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

  /** Of the incidents as the person saw them, all or none. */
  async function judge(row: SeatRow, seen: Incident[], move: MoveName, given: Given): Promise<RowOutcome> {
    const cases = seen.map(({ incident_id, version }) => ({ incident_id, version }));
    const what = JSON.stringify([row.row_id, move, cases]);
    if (attempt?.what !== what) attempt = { what, key: randomId() };
    try {
      const after = await seatCalls.judge(row.row_id, { move, cases, idempotency_key: attempt.key, ...given });
      reading += 1; // what is on its way is older
      seat.value = after;
      attempt = null;
      return { kind: "done" };
    } catch (error) {
      if (!(error instanceof ApiProblem)) return { kind: "no_answer" };
      attempt = null;
      readSoon();
      return { kind: error.status === 409 ? "conflict" : "refused", why: error.message };
    }
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

  return { seat, isDealt: computed(() => seat.value.is_dealt), judge, read };
}

export type SeatOf = ReturnType<typeof useSeat>;
