/**
 * A WGS84 position as Chinese maps name it: GCJ-02 (Amap) and BD-09 (Baidu). Pure.
 *
 * The same formulas as the centre's areas/datums.py, which says where they come from; the test holds both together.
 * Outside China nothing is shifted.
 */

/** Longitude and latitude, degrees. */
export type Spot = readonly [number, number];

const { abs, atan2, cos, hypot, PI, sin, sqrt } = Math;

const AXIS_M = 6_378_245; // Krasovsky 1940
const ECCENTRICITY_SQUARED = 0.006693421622965943;
const BD_ANGLE = (PI * 3000) / 180;

export function gcj02Of(spot: Spot): Spot {
  const [longitude, latitude] = spot;
  if (!isInChina(spot)) return spot;
  const [east, north] = shift(longitude - 105, latitude - 35);
  const bulge = 1 - ECCENTRICITY_SQUARED * sin((latitude * PI) / 180) ** 2;
  const meridianM = (AXIS_M * (1 - ECCENTRICITY_SQUARED)) / (bulge * sqrt(bulge));
  const parallelM = (AXIS_M / sqrt(bulge)) * cos((latitude * PI) / 180);
  return [longitude + (east * 180) / (parallelM * PI), latitude + (north * 180) / (meridianM * PI)];
}

export function bd09Of(spot: Spot): Spot {
  const shifted = gcj02Of(spot);
  if (!isInChina(shifted)) return shifted;
  const [x, y] = shifted;
  const far = hypot(x, y) + 0.00002 * sin(y * BD_ANGLE);
  const angle = atan2(y, x) + 0.000003 * cos(x * BD_ANGLE);
  return [far * cos(angle) + 0.0065, far * sin(angle) + 0.006];
}

function isInChina([longitude, latitude]: Spot): boolean {
  return longitude >= 72.004 && longitude <= 137.8347 && latitude >= 0.8293 && latitude <= 55.8271;
}

/** Metres to the east and to the north; x and y in degrees from 105 E, 35 N. */
function shift(x: number, y: number): Spot {
  const ripple = 20 * sin(6 * PI * x) + 20 * sin(2 * PI * x);
  const east = ripple + 20 * sin(PI * x) + 40 * sin((PI * x) / 3) + 150 * sin((PI * x) / 12) + 300 * sin((PI * x) / 30);
  const north = ripple + 20 * sin(PI * y) + 40 * sin((PI * y) / 3) + 160 * sin((PI * y) / 12) + 320 * sin((PI * y) / 30);
  const root = sqrt(abs(x));
  return [
    300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + (east * 2) / 3,
    -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + (north * 2) / 3,
  ];
}
