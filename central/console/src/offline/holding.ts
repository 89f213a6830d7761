/**
 * Acts that nobody can take back once the centre has them stay on the device for a moment, so that a press by mistake
 * can be undone. Pure.
 *
 * Invariants
 *   - An act is held or may be sent, never both: the sender reads the clock before it reads the list, an undo within
 *     the step that takes the act off the list.
 *   - The hold ends by the clock alone: a reload or a killed browser makes it no longer, and neither does a signal.
 *   - What follows a held act on its task waits behind it; other tasks go on.
 *   - A clock that was set back holds nothing for longer: what would last more than HOLD_MS is over.
 */
import { isWaiting, type Act, type ActName } from "./acts.ts";

export const HOLD_MS = 10_000;

/** Take and arrive go at once: a limit runs against them, and giving the task back takes both away again. */
const HELD_MOVES: ReadonlySet<ActName> = new Set(["handled", "refuse", "return", "check_in", "help", "report"]);

/** When an act made now may be sent; undefined: at once. */
export function holdOf(move: ActName, nowMs: number): number | undefined {
  return HELD_MOVES.has(move) ? nowMs + HOLD_MS : undefined;
}

/** Milliseconds in which it can still be undone; 0 when it cannot. */
export function heldForMs(act: Act, nowMs: number): number {
  const leftMs = (act.heldUntilMs ?? 0) - nowMs;
  return isWaiting(act) && leftMs > 0 && leftMs <= HOLD_MS ? leftMs : 0;
}

/** The first act of this person that may be sent; `left`: tasks whose acts are left for another time. */
export function nextToSend(acts: readonly Act[], userId: string, nowMs: number, left: Iterable<string> = []): Act | undefined {
  const behind = new Set<string>(left);
  for (const act of acts) {
    if (act.userId !== userId || !isWaiting(act) || behind.has(act.taskId)) continue;
    if (heldForMs(act, nowMs) === 0) return act;
    behind.add(act.taskId);
  }
  return undefined;
}

/** Milliseconds until the next hold ends; null when nothing is held. */
export function untilNextMs(acts: readonly Act[], nowMs: number): number | null {
  const left = acts.map((act) => heldForMs(act, nowMs)).filter((ms) => ms > 0);
  return left.length > 0 ? Math.min(...left) : null;
}
