/** What of a rule is drawn on a picture. Pure. */
import { isPointList, type Point } from "./zones.ts";

export type ShapeKind = "zone" | "line" | "direction" | "exclude_zones";

export interface Drawn {
  kind: ShapeKind;
  /** Of excluded parts, which; else 0. */
  index: number;
  points: Point[];
}

/** In the order in which they are drawn: the excluded parts lie over their zone. */
export function drawnIn(rule: Record<string, unknown>): Drawn[] {
  const found: Drawn[] = [];
  for (const kind of ["zone", "line", "direction"] as const) {
    const points = rule[kind];
    if (isPointList(points)) found.push({ kind, index: 0, points });
  }
  const excluded = rule["exclude_zones"];
  if (Array.isArray(excluded)) {
    excluded.filter(isPointList).forEach((points, index) => found.push({ kind: "exclude_zones", index, points }));
  }
  return found;
}

/** The same for one value of a diff: `rules.lane.zone` before and after. */
export function drawnValue(name: string, value: unknown): Drawn[] {
  return drawnIn({ [name]: value });
}

export const isDrawnName = (name: string): boolean => ["zone", "line", "direction", "exclude_zones"].includes(name);
