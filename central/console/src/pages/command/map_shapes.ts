/** From what the centre says to what the map draws. Pure. */
import type { Area, AreaGeometry, Incident, IncidentState, Level, Ring, Severity, TaskBrief } from "../../api/types.ts";

export const LEVEL_RANK: Record<Level, number> = { city: 0, county: 1, township: 2, village: 3, grid: 4 };

export type Bounds = [west: number, south: number, east: number, north: number];

export function polygonsOf(geometry: AreaGeometry): Ring[][] {
  return geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
}

export function boundsOf(geometry: AreaGeometry): Bounds {
  const bounds: Bounds = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [outer] of polygonsOf(geometry)) {
    for (const [longitude, latitude] of outer ?? []) {
      bounds[0] = Math.min(bounds[0], longitude);
      bounds[1] = Math.min(bounds[1], latitude);
      bounds[2] = Math.max(bounds[2], longitude);
      bounds[3] = Math.max(bounds[3], latitude);
    }
  }
  return bounds;
}

/** Centroid of the largest outer ring, as [latitude, longitude]: where the name goes. */
export function labelPoint(geometry: AreaGeometry): [number, number] {
  let best: { size: number; at: [number, number] } = { size: -1, at: [0, 0] };
  for (const [outer] of polygonsOf(geometry)) {
    if (!outer) continue;
    const found = centroid(outer);
    if (found.size > best.size) best = found;
  }
  return best.at;
}

function centroid(ring: Ring): { size: number; at: [number, number] } {
  const [x0, y0] = ring[0] ?? [0, 0]; // relative to the first corner: city-sized rings lose digits otherwise
  let twice = 0;
  let x = 0;
  let y = 0;
  for (let i = 0; i < ring.length; i += 1) {
    const [ax, ay] = relative(ring[i]!, x0, y0);
    const [bx, by] = relative(ring[(i + 1) % ring.length]!, x0, y0);
    const cross = ax * by - bx * ay;
    twice += cross;
    x += (ax + bx) * cross;
    y += (ay + by) * cross;
  }
  if (twice === 0) return { size: 0, at: [y0, x0] };
  return { size: Math.abs(twice), at: [y0 + y / (3 * twice), x0 + x / (3 * twice)] };
}

function relative([x, y]: [number, number], x0: number, y0: number): [number, number] {
  return [x - x0, y - y0];
}

/** The areas without a child in the list: what tints by its incidents and shows what is under the pointer. */
export function leavesOf(areas: Area[]): Set<string> {
  const parents = new Set(areas.map((area) => area.parent));
  return new Set(areas.filter((area) => !parents.has(area.code)).map((area) => area.code));
}

/** How far a case has come, as a marker shows it; the first is what somebody must still do something about. */
export const STAGES = ["waiting", "sent", "underway", "handled", "kept"] as const;
export type Stage = (typeof STAGES)[number];

const STAGE_OF: Record<IncidentState, Stage> = {
  open: "waiting",
  to_check: "waiting",
  unit_told: "sent",
  dispatched: "sent",
  unit_clearing: "underway",
  taken: "underway",
  arrived: "underway",
  handled: "handled",
  closed: "handled",
  long_lived: "kept",
};

/** A state of a newer centre waits: it must not look done. */
export function stageOf(state: string): Stage {
  return STAGE_OF[state as IncidentState] ?? "waiting";
}

/** Of several at one place the one that has come least far. */
export function leastFar(one: Stage, other: Stage): Stage {
  return STAGES.indexOf(one) <= STAGES.indexOf(other) ? one : other;
}

export interface Spot {
  key: string;
  at: [latitude: number, longitude: number];
  severity: Severity;
  stage: Stage;
  /** Tasks whose worker is at it, between *take* and the end: shown at the hazard's place, for the page knows no other. */
  crew: TaskBrief[];
  isBreached: boolean;
  isDrill: boolean;
  /** Most pressing first. */
  incidentIds: string[];
  hazard: string;
}

const AT_IT = new Set<TaskBrief["state"]>(["taken", "arrived"]);

function crewOf({ task }: Incident): TaskBrief[] {
  return task?.worker && AT_IT.has(task.state) ? [task] : [];
}

/** Incidents at one place become one marker; `ordered` is in the order of the queue. */
export function spotsOf(ordered: Incident[], isBreached: (incident: Incident) => boolean): Spot[] {
  const spots = new Map<string, Spot>();
  for (const incident of ordered) {
    const { longitude, latitude } = incident.place;
    if (longitude === null || latitude === null) continue;
    const key = `${longitude.toFixed(5)},${latitude.toFixed(5)}`;
    const known = spots.get(key);
    if (known) {
      known.incidentIds.push(incident.incident_id);
      known.stage = leastFar(known.stage, stageOf(incident.state));
      known.crew.push(...crewOf(incident));
      known.isBreached ||= isBreached(incident);
    } else {
      spots.set(key, {
        key,
        at: [latitude, longitude],
        severity: incident.severity,
        stage: stageOf(incident.state),
        crew: crewOf(incident),
        isBreached: isBreached(incident),
        isDrill: incident.drill,
        incidentIds: [incident.incident_id],
        hazard: incident.hazard,
      });
    }
  }
  return [...spots.values()];
}
