/** Incidents of the list that are one question asked several times: folded, ticked, judged in one act. Pure. */
import type { Incident, MoveName } from "../../api/types.ts";

/** One row of the list: an incident, or several alike that open. `key` null: an incident by itself. */
export interface FoldedRow {
  key: string | null;
  ids: string[];
}

const TOWNSHIP_DIGITS = 9;
const JUDGED_TOGETHER: Partial<Record<Incident["state"], MoveName[]>> = {
  open: ["confirm", "false_alarm", "permitted"],
  to_check: ["dispatch", "false_alarm", "permitted"],
};

/** What several of this state can be judged alike; of confirm and dispatch the one that shows, as for one incident. */
export function movesTogether(state: Incident["state"]): readonly MoveName[] {
  return JUDGED_TOGETHER[state] ?? [];
}

/** Severity 1, fire and smoke, and drills stand for themselves: nobody judges them with others. */
export function standsAlone({ severity, hazard, drill }: Incident): boolean {
  return severity === 1 || hazard === "fire_smoke" || drill;
}

/** Alike are those of one hazard in one township that wait for the same judgement. Null: folds with nothing. */
export function foldKey(incident: Incident): string | null {
  if (standsAlone(incident) || movesTogether(incident.state).length === 0) return null;
  return `${incident.hazard} ${incident.area.code.slice(0, TOWNSHIP_DIGITS)} ${incident.state}`;
}

/** What a fold holds, without opening it. `cameras`: those of one camera are one; `sinceMs`: of the earliest. */
export interface FoldSum {
  alerts: number;
  cameras: number;
  sinceMs: number;
}

export function sumOf(members: readonly Incident[]): FoldSum {
  const single = new Set<string>();
  let cameras = 0;
  for (const { camera_count, place } of members) {
    if (camera_count > 1) cameras += camera_count;
    else single.add(place.camera_id);
  }
  return {
    alerts: members.reduce((sum, one) => sum + one.alert_count, 0),
    cameras: cameras + single.size,
    sinceMs: Math.min(...members.map((one) => Date.parse(one.began_at))),
  };
}

/** In the order given; a fold stands where its first stands. One alone is no fold. */
export function foldedRows(ids: readonly string[], keyOf: (id: string) => string | null): FoldedRow[] {
  const rows: FoldedRow[] = [];
  const byKey = new Map<string, FoldedRow>();
  for (const id of ids) {
    const key = keyOf(id);
    const known = key === null ? undefined : byKey.get(key);
    if (known) known.ids.push(id);
    else {
      const row = { key, ids: [id] };
      rows.push(row);
      if (key !== null) byKey.set(key, row);
    }
  }
  return rows.map((row) => (row.ids.length > 1 ? row : { key: null, ids: row.ids }));
}
