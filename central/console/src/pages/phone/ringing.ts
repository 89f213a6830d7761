/**
 * Which offered tasks ring, and when again. Pure: it is told the time.
 *
 * Invariants
 *   - What was there when the page came is read, not rung; what came later rings until it was looked at, is no longer
 *     offered, or has rung MOST_RINGS times.
 *   - Of several that ring together the worst is heard.
 */
import type { Severity } from "../../api/types.ts";
import { worstOf } from "../../live/tones.ts";

/** Time to hear the last one to its end, and to take the phone out of a pocket. */
export const RING_EVERY_MS = 8_000;
/** Severity 1: about five minutes, then the clock of the centre passes it on; 2: two minutes; the rest once. */
export const MOST_RINGS: Record<Severity, number> = { 1: 38, 2: 15, 3: 1, 4: 1 };
/** Milliseconds on, off, on, …; as long as the tones. */
export const SHAKES: Record<Severity, number[]> = { 1: [400, 100, 400, 100, 400], 2: [400, 150, 400], 3: [300], 4: [150] };

export interface Offered {
  taskId: string;
  /** What rings, where that is not the offer itself: the same task urged again is another. */
  key?: string;
  severity: Severity;
}

interface Ring extends Offered {
  rung: number;
  nextMs: number;
}

const keyOf = ({ key, taskId }: Offered): string => key ?? taskId;

export class Ringing {
  #known: Set<string> | null = null;
  readonly #rings = new Map<string, Ring>();

  /** The tasks that are offered now; answers with those that are new. */
  see(offered: readonly Offered[], nowMs: number): Offered[] {
    const known = this.#known;
    const there = new Set(offered.map(keyOf));
    for (const key of this.#rings.keys()) if (!there.has(key)) this.#rings.delete(key);
    // One that comes back (given back, offered anew) is new again.
    this.#known = there;
    const fresh = known ? offered.filter((one) => !known.has(keyOf(one))) : [];
    for (const one of fresh) this.#rings.set(keyOf(one), { ...one, rung: 0, nextMs: nowMs });
    return fresh;
  }

  lookedAt(taskId: string): void {
    for (const [key, one] of this.#rings) if (one.taskId === taskId) this.#rings.delete(key);
  }

  /** Not looked at yet, also when they ring no more. */
  unseen(): Offered[] {
    return [...this.#rings.values()];
  }

  /** Severity to ring with now; null: nothing is due. */
  ring(nowMs: number): Severity | null {
    const due = [...this.#rings.values()].filter((one) => one.nextMs <= nowMs && one.rung < MOST_RINGS[one.severity]);
    for (const one of due) {
      one.rung += 1;
      one.nextMs = nowMs + RING_EVERY_MS;
    }
    return worstOf(due.map(({ severity }) => severity));
  }
}
