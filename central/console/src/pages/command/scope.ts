/** The tree as the command page narrows along it: what each area holds, and what may never be narrowed away. Pure. */
import type { OpenCount } from "../../api/calls.ts";
import type { Area, Incident, Severity } from "../../api/types.ts";

export interface AreaIndex {
  byCode: ReadonlyMap<string, Area>;
  /** In the order of the centre's list, by the code of the parent. */
  below: ReadonlyMap<string, readonly Area[]>;
  /** Areas whose parent this person does not see. */
  roots: readonly Area[];
}

export interface Tally {
  open: number;
  worst: Severity;
}

export function indexOf(areas: readonly Area[]): AreaIndex {
  const byCode = new Map(areas.map((area) => [area.code, area]));
  const below = new Map<string, Area[]>();
  const roots: Area[] = [];
  for (const area of areas) {
    if (area.parent === null || !byCode.has(area.parent)) roots.push(area);
    else below.set(area.parent, [...(below.get(area.parent) ?? []), area]);
  }
  return { byCode, below, roots };
}

/** From below everything to the area itself; a lone root is everything and is left out. Empty: no such area. */
export function trailOf(index: AreaIndex, code: string | null): Area[] {
  const trail: Area[] = [];
  for (let at = areaOf(index, code); at; at = areaOf(index, at.parent)) trail.unshift(at);
  return index.roots.length === 1 ? trail.slice(1) : trail;
}

function areaOf(index: AreaIndex, code: string | null): Area | undefined {
  return code === null ? undefined : index.byCode.get(code);
}

/** What can be chosen from here, one step down. */
export function stepsDown(index: AreaIndex, code: string | null): readonly Area[] {
  if (code !== null) return index.below.get(code) ?? [];
  const [only, ...others] = index.roots;
  return only && others.length === 0 ? (index.below.get(only.code) ?? []) : index.roots;
}

/** The area and all below it. */
export function codesWithin(index: AreaIndex, code: string): Set<string> {
  const found = new Set<string>();
  const waiting = [code];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    found.add(at);
    for (const area of index.below.get(at) ?? []) waiting.push(area.code);
  }
  return found;
}

/** Each area that holds open incidents, itself or below it; "" is all of them. */
export function talliesOf(incidents: Iterable<Incident>): Map<string, Tally> {
  const tallies = new Map<string, Tally>();
  for (const { area, severity } of incidents) {
    for (const code of ["", ...area.path.map((step) => step.code)]) {
      const known = tallies.get(code);
      if (!known) tallies.set(code, { open: 1, worst: severity });
      else {
        known.open += 1;
        if (severity < known.worst) known.worst = severity;
      }
    }
  }
  return tallies;
}

/** As the centre counted it. */
export function tallyOf(count: OpenCount): Tally {
  const worst = ([1, 2, 3, 4] as const).find((severity) => (count.by_severity[severity] ?? 0) > 0);
  return { open: count.open, worst: worst ?? 4 };
}

export function isWithin(incident: Incident, code: string | null): boolean {
  return code === null || incident.area.path.some((step) => step.code === code);
}

/** What is told and shown on the map whatever the page is narrowed to. */
export function isUrgent(incident: Incident): boolean {
  return incident.severity === 1 || incident.hazard === "fire_smoke";
}
