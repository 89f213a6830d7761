/**
 * Where a picture's points lie on flat ground, and why some pairs of points cannot say it. Pure.
 *
 * The same tests and the same arithmetic as configs/ground.py, so that a person reads while placing points what the
 * centre would say; the last word is the centre's. Picture points are shares, origin top left; metres as on a map.
 */
import { areaOf, isPointList, type Point } from "../zones.ts";

export interface Pair {
  picture: Point;
  metres: Point;
}
/** As the settings write it: points, or one rectangle of known size. */
export interface GroundSettings {
  points?: Pair[];
  rectangle?: { corners: Point[]; width_m: number; depth_m: number } | null;
}

export const LEAST_PAIRS = 4;
export const MOST_PAIRS = 32;
const POINT_ERROR = 0.005; // of the picture: how well a point is found on a still
const FLAT = 1e-3;
export const NEAR_HORIZON = 0.1;
const MOST_ERROR = 0.05;
/** Two points of the picture that lie so close are one: 6 pixels of 1280. */
const SAME = 0.005;

export type GroundProblem =
  | { kind: "few"; missing: number }
  | { kind: "unwritten"; number: number }
  | { kind: "same"; first: number; second: number; where: "picture" | "metres" }
  | { kind: "line"; where: "picture" | "metres" }
  | { kind: "mirrored" }
  | { kind: "fit"; number: number; off_m: number; most_m: number };

/** From picture to ground: eight figures row by row, counted from the picture point `origin`. */
export interface Ground {
  matrix: readonly number[];
  origin: Point;
  pairs: readonly Pair[];
}

export function pairsOf(settings: unknown): Pair[] {
  const { points, rectangle } = (settings ?? {}) as GroundSettings;
  // A text may say anything: what is no pair is the centre's to refuse.
  if (!rectangle) return Array.isArray(points) ? points.filter((one) => isPointList([one?.picture]) && Array.isArray(one.metres)) : [];
  if (!isPointList(rectangle.corners)) return [];
  const { corners, width_m, depth_m } = rectangle;
  const metres: Point[] = [[0, 0], [width_m, 0], [width_m, depth_m], [0, depth_m]];
  return corners.slice(0, 4).map((picture, index) => ({ picture, metres: metres[index] as Point }));
}

/** null: they hold. A number that is not typed yet is no number (`unwritten`). */
export function problemOfPairs(pairs: readonly Pair[]): GroundProblem | null {
  if (pairs.length < LEAST_PAIRS) return { kind: "few", missing: LEAST_PAIRS - pairs.length };
  const unwritten = pairs.findIndex(({ metres }) => !metres.every((one) => Number.isFinite(one)));
  if (unwritten >= 0) return { kind: "unwritten", number: unwritten };
  for (const where of ["picture", "metres"] as const) {
    const points = pairs.map((pair) => pair[where]);
    if (spans(points)) continue;
    const same = sameIn(points, where === "picture" ? SAME : 1e-3);
    return same ? { kind: "same", ...same, where } : { kind: "line", where };
  }
  const ground = solvedOf(pairs);
  if (!ground) return { kind: "line", where: "picture" };
  if (!isFacing(ground, pairs)) return { kind: "mirrored" };
  const most_m = MOST_ERROR * 2 * frameOf(pairs.map(({ metres }) => metres)).half;
  const number = pairs.findIndex((pair) => offOf(ground, pair) > most_m);
  return number < 0 ? null : { kind: "fit", number, off_m: offOf(ground, pairs[number] as Pair), most_m };
}

/** null: the pairs do not hold. */
export function groundOf(pairs: readonly Pair[]): Ground | null {
  return problemOfPairs(pairs) === null ? solvedOf(pairs) : null;
}

/** 1 at the middle of the known points, 0 at the horizon, negative above it. */
export function denominatorAt({ matrix, origin }: Ground, [x, y]: Point): number {
  return (matrix[6] as number) * (x - origin[0]) + (matrix[7] as number) * (y - origin[1]) + 1;
}

export const isOnGround = (ground: Ground, points: readonly Point[]): boolean =>
  points.every((point) => denominatorAt(ground, point) > NEAR_HORIZON);

/** Metres of a picture point below the horizon. */
export function placeOf(ground: Ground, point: Point): Point {
  const [a, b, c, d, e, f] = ground.matrix as [number, number, number, number, number, number];
  const [x, y] = [point[0] - ground.origin[0], point[1] - ground.origin[1]];
  const whole = denominatorAt(ground, point);
  return [(a * x + b * y + c) / whole, (d * x + e * y + f) / whole];
}

/** Metres by which a pair misses the ground that all of them give. */
export function offOf(ground: Ground, { picture, metres }: Pair): number {
  const [x, y] = placeOf(ground, picture);
  return Math.hypot(x - metres[0], y - metres[1]);
}

/** The same in the picture: how far the pair's metres, seen through all pairs, lie from where it was placed; in shares. */
export function missOf(ground: Ground, { picture, metres }: Pair): Point {
  const [x, y, w] = seen(inverseOf(ground), metres);
  return [x / w - picture[0], y / w - picture[1]];
}

export interface Off {
  metres: number;
  pixels: number;
}

/** How far each pair misses the ground of all, on a picture of so many pixels; empty: exactly four fit whatever they are. */
export function offsOf(ground: Ground | null, pairs: readonly Pair[], size: readonly [number, number]): Off[] {
  if (!ground || pairs.length === LEAST_PAIRS) return [];
  return pairs.map((pair) => {
    const [x, y] = missOf(ground, pair);
    return { metres: offOf(ground, pair), pixels: Math.hypot(x * size[0], y * size[1]) };
  });
}

/** Square metres of a polygon, and by what share they may be off; null: it reaches above the horizon. */
export function areaM2(ground: Ground, zone: readonly Point[]): { m2: number; share: number } | null {
  const m2 = plainArea(ground, zone);
  if (m2 === null || m2 === 0) return null;
  return { m2, share: spreadOf(ground, m2, (other) => plainArea(other, zone)) };
}

/** Metres between two points, and by what share they may be off; null: one lies above the horizon. */
export function lengthM(ground: Ground, from: Point, to: Point): { m: number; share: number } | null {
  const m = plainLength(ground, from, to);
  return m ? { m, share: spreadOf(ground, m, (other) => plainLength(other, from, to)) } : null;
}

/** How far a figure goes when each point is off by `POINT_ERROR`: as configs/ground.py, area_of. */
function spreadOf(ground: Ground, figure: number, of: (other: Ground) => number | null): number {
  let squares = 0;
  ground.pairs.forEach((pair, index) => {
    for (const axis of [0, 1] as const) {
      const step = pair.picture[axis] > 0.5 ? -POINT_ERROR : POINT_ERROR;
      const picture = pair.picture.map((value, at) => (at === axis ? value + step : value)) as Point;
      const other = solvedOf(ground.pairs.map((one, at) => (at === index ? { ...one, picture } : one)));
      const moved = other && of(other);
      squares += moved ? Math.min(1, (moved / figure - 1) ** 2) : 1;
    }
  });
  return Math.min(0.9, Math.sqrt(squares));
}

function plainArea(ground: Ground, zone: readonly Point[]): number | null {
  return isOnGround(ground, zone) ? Math.abs(areaOf(zone.map((point) => placeOf(ground, point)))) : null;
}

function plainLength(ground: Ground, from: Point, to: Point): number | null {
  if (!isOnGround(ground, [from, to])) return null;
  const [one, other] = [placeOf(ground, from), placeOf(ground, to)];
  return Math.hypot(one[0] - other[0], one[1] - other[1]);
}

/** Nine figures that turn (x m, y m, 1) into (x w, y w, w) of the picture; w is 1 at the origin and grows to the horizon. */
export function inverseOf({ matrix, origin }: Ground): readonly number[] {
  const [a, b, c, d, e, f, g, h] = matrix as unknown as [number, number, number, number, number, number, number, number];
  const adjugate = [e - f * h, c * h - b, b * f - c * e, f * g - d, a - c * g, c * d - a * f, d * h - e * g, b * g - a * h, a * e - b * d];
  const whole = a * (adjugate[0] as number) + b * (adjugate[3] as number) + c * (adjugate[6] as number);
  const rows = adjugate.map((value) => value / whole);
  const third = rows.slice(6);
  // Back from the origin to the picture's corner.
  return rows.map((value, at) => (at < 6 ? value + origin[at < 3 ? 0 : 1] * (third[at % 3] as number) : value));
}

/** A place on the ground, in the picture: x w, y w, w. */
export function seen(inverse: readonly number[], [x, y]: Point): [number, number, number] {
  const row = (at: number): number => (inverse[at] as number) * x + (inverse[at + 1] as number) * y + (inverse[at + 2] as number);
  return [row(0), row(3), row(6)];
}

// The homography of least squares through the pairs.

function solvedOf(pairs: readonly Pair[]): Ground | null {
  const { middle, half } = frameOf(pairs.map(({ metres }) => metres));
  const mean = (axis: 0 | 1): number => pairs.reduce((sum, { picture }) => sum + picture[axis], 0) / pairs.length;
  const origin: Point = [mean(0), mean(1)];
  const normal = Array.from({ length: 8 }, () => new Array<number>(9).fill(0));
  for (const { picture, metres } of pairs) {
    const [x, y] = [picture[0] - origin[0], picture[1] - origin[1]];
    const [u, v] = [(metres[0] - middle[0]) / half, (metres[1] - middle[1]) / half];
    for (const row of [[x, y, 1, 0, 0, 0, -u * x, -u * y, u], [0, 0, 0, x, y, 1, -v * x, -v * y, v]]) {
      normal.forEach((sums, i) => row.forEach((value, j) => (sums[j] = (sums[j] as number) + (row[i] as number) * value)));
    }
  }
  const found = solved(normal);
  if (!found) return null;
  const [a, b, c, d, e, f, g, h] = found as [number, number, number, number, number, number, number, number];
  const matrix = [
    ...[a * half + middle[0] * g, b * half + middle[0] * h, c * half + middle[0]],
    ...[d * half + middle[1] * g, e * half + middle[1] * h, f * half + middle[1]],
    ...[g, h],
  ];
  return matrix.every((value) => Number.isFinite(value)) ? { matrix, origin, pairs } : null;
}

/** Gauss with row exchange; null: a pivot vanishes. */
function solved(rows: number[][]): number[] | null {
  const at = (row: number, column: number): number => rows[row]?.[column] ?? 0;
  for (let column = 0; column < rows.length; column += 1) {
    let best = column;
    for (let row = column + 1; row < rows.length; row += 1) if (Math.abs(at(row, column)) > Math.abs(at(best, column))) best = row;
    [rows[column], rows[best]] = [rows[best] as number[], rows[column] as number[]];
    if (Math.abs(at(column, column)) < 1e-12) return null;
    for (let row = 0; row < rows.length; row += 1) {
      if (row === column) continue;
      const share = at(row, column) / at(column, column);
      rows[row] = (rows[row] as number[]).map((value, index) => value - share * at(column, index));
    }
  }
  return rows.map((row, index) => (row[rows.length] as number) / (row[index] as number));
}

// What cannot hold.

function frameOf(points: readonly Point[]): { middle: Point; half: number } {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  return { middle: [(left + right) / 2, (low + high) / 2], half: Math.max(right - left, high - low, 1e-9) / 2 };
}

function sameIn(points: readonly Point[], least: number): { first: number; second: number } | null {
  for (let first = 0; first < points.length; first += 1) {
    for (let second = first + 1; second < points.length; second += 1) {
      const [[x1, y1], [x2, y2]] = [points[first] as Point, points[second] as Point];
      if (Math.hypot(x2 - x1, y2 - y1) < least) return { first, second };
    }
  }
  return null;
}

/** Some four of them have no three on one line. */
function spans(points: readonly Point[]): boolean {
  const least = FLAT * (2 * frameOf(points).half) ** 2;
  const few = points.slice(0, 12);
  const isBent = ([[x1, y1], [x2, y2], [x3, y3]]: readonly [Point, Point, Point]): boolean =>
    Math.abs((x2 - x1) * (y3 - y1) - (y2 - y1) * (x3 - x1)) > least;
  return chosenOf(few, 4).some((four) => chosenOf(four, 3).every((three) => isBent(three as unknown as [Point, Point, Point])));
}

function chosenOf(points: readonly Point[], count: number): Point[][] {
  if (count === 0) return [[]];
  return points.flatMap((point, index) => chosenOf(points.slice(index + 1), count - 1).map((rest) => [point, ...rest]));
}

/** Every point in front of the camera, and seen from above: the picture's y goes down, the map's goes up. */
function isFacing(ground: Ground, pairs: readonly Pair[]): boolean {
  const [a, b, c, d, e, f, g, h] = ground.matrix as unknown as [number, number, number, number, number, number, number, number];
  const turn = a * (e - f * h) - b * (d - f * g) + c * (d * h - e * g);
  return pairs.every(({ picture }) => denominatorAt(ground, picture) > 0) && turn < 0;
}
