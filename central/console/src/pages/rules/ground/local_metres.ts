/**
 * Metres east and north of a place, from longitude and latitude. Pure.
 *
 * On the WGS 84 ellipsoid (NIMA TR8350.2: a = 6,378,137 m, 1/f = 298.257223563), with its radii of curvature at the
 * place's latitude, along the meridian M = a (1 - e²) / (1 - e² sin² φ)^1.5 and across it N = a / (1 - e² sin² φ)^0.5
 * (Snyder, Map Projections, USGS Professional Paper 1395, 1987, chapter 4):
 *
 *     east = N cos φ Δλ        north = M Δφ        (angles in radians)
 *
 * So the earth is a plane: what that misses grows with the square of the distance, see `local_metres.test.ts`.
 * The altitude is left out.
 */
import type { Point } from "../zones.ts";

/** Degrees on WGS 84. */
export interface Place {
  longitude: number;
  latitude: number;
}

const A_M = 6_378_137;
const FLATTENING = 1 / 298.257223563;
const E2 = FLATTENING * (2 - FLATTENING);
const RADIANS = Math.PI / 180;

/** Metres of one degree to the east and to the north. */
function perDegree(latitude: number): { east: number; north: number } {
  const phi = latitude * RADIANS;
  const inner = 1 - E2 * Math.sin(phi) ** 2;
  return {
    east: (A_M / Math.sqrt(inner)) * Math.cos(phi) * RADIANS,
    north: ((A_M * (1 - E2)) / inner ** 1.5) * RADIANS,
  };
}

/** [metres east, metres north] of `from`: as calibrations have it, y is a quarter turn left of x. */
export function metresFrom(from: Place, to: Place): Point {
  const { east, north } = perDegree(from.latitude);
  return [(to.longitude - from.longitude) * east, (to.latitude - from.latitude) * north];
}

export function placeAt(from: Place, [east_m, north_m]: Point): Place {
  const { east, north } = perDegree(from.latitude);
  return { longitude: from.longitude + east_m / east, latitude: from.latitude + north_m / north };
}

/** To the centimetre: finer than any map is read. */
export function asTyped([x, y]: Point): Point {
  return [Math.round(x * 100) / 100, Math.round(y * 100) / 100];
}

/** Latitude first, as devices write a place: "30.287459, 120.153576". null: it is none. */
export function placeIn(text: string): Place | null {
  const [first, second, ...more] = text.trim().split(/[\s,，;；]+/).map(Number);
  if (first === undefined || second === undefined || more.length > 0) return null;
  return Math.abs(first) <= 90 && Math.abs(second) <= 180 ? { latitude: first, longitude: second } : null;
}
