/**
 * Which calls for help are still to be told at this desk. Pure.
 *
 * A call is told when it is first seen, also one that was there before the page: somebody stands there and waits. It is
 * heard once; one that came while nothing sounded is heard when the page sounds again, if nobody has answered it by then.
 */
import type { Incident } from "../../api/types.ts";

export interface Told {
  /** Seen for the first time: to be announced. */
  fresh: Incident[];
  /** Not heard yet, and not answered. */
  unheard: Incident[];
}

/** Somebody stands there and waits for an answer. Drills are not told, as ever. */
export function waitsForHelp({ task, drill }: Incident): boolean {
  return !drill && !!task?.help && task.help.answer === null && (task.state === "taken" || task.state === "arrived");
}

const callOf = (incident: Incident): string => `${incident.incident_id} ${incident.task?.help?.asked_at ?? ""}`;

export function callsForHelp(): { look(incidents: Iterable<Incident>): Told; heard(): void } {
  let announced = new Set<string>();
  let heard = new Set<string>();
  let waiting = new Set<string>();
  return {
    look(incidents) {
      const calls = [...incidents].filter(waitsForHelp);
      waiting = new Set(calls.map(callOf));
      const fresh = calls.filter((one) => !announced.has(callOf(one)));
      announced = waiting;
      heard = new Set([...heard].filter((call) => waiting.has(call)));
      return { fresh, unheard: calls.filter((one) => !heard.has(callOf(one))) };
    },
    heard() {
      heard = new Set(waiting);
    },
  };
}
