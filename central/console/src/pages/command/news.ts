/**
 * What is new to whoever sits here: where incidents are dealt the rows of the own seat, else every incident. Pure.
 * The most severe are news to everybody who sees them, whosever seat they are on: nobody may be there.
 *
 * What is there at the first look, and when dealing begins or ends, is read and not told. What becomes one of the most
 * severe is news once more.
 */
import type { Incident, SeatRow } from "../../api/types.ts";
import { worstOf } from "../../live/tones.ts";

export interface Seen {
  incidents: ReadonlyMap<string, Incident>;
  isDealt: boolean;
  rows: readonly SeatRow[];
}

/** Each look gives what came since the one before and waits for a judgement: of a row the worst. */
export function newsSince(): (seen: Seen) => Incident[] {
  let known = new Set<string>();
  let wasDealt: boolean | null = null;
  /** The most severe come twice where incidents are dealt: by themselves, and in a row. */
  const told = new Set<string>();

  return ({ incidents, isDealt, rows }) => {
    const there = isDealt ? membersOf(rows, incidents) : new Map<string, Incident[]>();
    for (const [id, one] of incidents) {
      if (!isDealt) there.set(id, [one]);
      if (one.severity === 1) there.set(`${id} at its worst`, [one]);
    }
    const came = [...there].filter(([key]) => !known.has(key)).map(([, members]) => members);
    known = new Set(there.keys());
    const isFirst = wasDealt !== isDealt;
    wasDealt = isDealt;
    if (isFirst) return [];
    const news = came.flatMap((members) => worstToJudge(members) ?? []).filter((one) => !told.has(one.incident_id));
    for (const one of news) if (one.severity === 1) told.add(one.incident_id);
    for (const id of told) if (!incidents.has(id)) told.delete(id);
    return [...new Set(news)];
  };
}

/** Of rows whose incidents have been read: the others come when they are. */
function membersOf(rows: readonly SeatRow[], incidents: ReadonlyMap<string, Incident>): Map<string, Incident[]> {
  const found = new Map<string, Incident[]>();
  for (const row of rows) {
    const members = row.incident_ids.flatMap((id) => incidents.get(id) ?? []);
    if (members.length > 0) found.set(row.row_id, members);
  }
  return found;
}

function worstToJudge(members: readonly Incident[]): Incident | null {
  const open = members.filter((incident) => incident.state === "open" && !incident.drill);
  const worst = worstOf(open.map((incident) => incident.severity));
  return open.find((incident) => incident.severity === worst) ?? null;
}
