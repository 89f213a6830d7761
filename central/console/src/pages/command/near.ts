/** What lies within some hundred metres of a place: cameras, incidents, fire lanes. Pure. */
import type { Lane } from "../../api/lanes.ts";
import type { Camera, Incident } from "../../api/types.ts";

export const NEAR_M = 500;
const METRES_PER_DEGREE = 111_195; // of latitude, on a sphere of the mean radius 6,371,008.8 m (IUGG); of longitude times its cosine

export type Place = readonly [latitude: number, longitude: number];

/** Metres, on a plane that touches the earth at `from`: right to a metre over some kilometres. */
function metresFrom(from: Place, [latitude, longitude]: Place): [x: number, y: number] {
  const squeezed = Math.cos((from[0] * Math.PI) / 180);
  return [(longitude - from[1]) * METRES_PER_DEGREE * squeezed, (latitude - from[0]) * METRES_PER_DEGREE];
}

export function distanceM(from: Place, to: Place): number {
  return Math.hypot(...metresFrom(from, to));
}

/** To the nearest point of a line through these places; 0 inside, where it is closed. */
export function distanceToLineM(from: Place, line: readonly Place[], isClosed = false): number {
  const points = line.map((one) => metresFrom(from, one));
  if (isClosed && isAround(points)) return 0;
  let nearest = Math.min(...points.map(([x, y]) => Math.hypot(x, y)));
  for (let at = 1; at < points.length; at += 1) nearest = Math.min(nearest, toSegment(points[at - 1]!, points[at]!));
  return nearest;
}

function toSegment([ax, ay]: [number, number], [bx, by]: [number, number]): number {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const share = length === 0 ? 0 : Math.min(1, Math.max(0, -(ax * dx + ay * dy) / length));
  return Math.hypot(ax + share * dx, ay + share * dy);
}

/** Does this ring go round the origin? */
function isAround(ring: readonly [number, number][]): boolean {
  let isInside = false;
  for (let at = 0, before = ring.length - 1; at < ring.length; before = at, at += 1) {
    const [[ax, ay], [bx, by]] = [ring[before]!, ring[at]!];
    if (ay > 0 !== by > 0 && ax + ((bx - ax) * -ay) / (by - ay) > 0) isInside = !isInside;
  }
  return isInside;
}

export function laneDistanceM(from: Place, { shape }: Pick<Lane, "shape">): number {
  const outline = shape.type === "Polygon" ? (shape.coordinates[0] ?? []) : shape.coordinates;
  return distanceToLineM(from, outline.map(([longitude, latitude]) => [latitude, longitude]), shape.type === "Polygon");
}

export interface Found<One> {
  one: One;
  metres: number;
}

/** Those within `metres`, the nearest first; what has no place is nowhere near. */
export function nearest<One>(all: Iterable<One>, metresOf: (one: One) => number | null, metres = NEAR_M): Found<One>[] {
  const found: Found<One>[] = [];
  for (const one of all) {
    const away = metresOf(one);
    if (away !== null && away <= metres) found.push({ one, metres: away });
  }
  return found.sort((a, b) => a.metres - b.metres);
}

export const cameraMetres = (from: Place) => ({ latitude, longitude }: Pick<Camera, "latitude" | "longitude">): number | null =>
  latitude === null || longitude === null ? null : distanceM(from, [latitude, longitude]);

export const incidentMetres = (from: Place) => ({ place }: Pick<Incident, "place">): number | null =>
  place.latitude === null || place.longitude === null ? null : distanceM(from, [place.latitude, place.longitude]);
