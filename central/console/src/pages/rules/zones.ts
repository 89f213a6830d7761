/**
 * Polygons and lines in shares of a picture, and why one cannot be taken. Pure.
 *
 * The same tests as the centre's (configs/values.py, _polygon), so that a person reads while drawing what it would say.
 */

export type Point = [number, number];

export const LEAST_POINTS = 3;
export const MOST_POINTS = 64;
/** Less is a line or a spot: 1e-5 of the picture, about 9 pixels of 1280 x 720. */
const LEAST_AREA = 1e-5;

export type ZoneProblem =
  | { kind: "few"; missing: number }
  | { kind: "many" }
  /** Edges by the number of their first point, from 0; where they meet. */
  | { kind: "crossing"; first: number; second: number; at: Point }
  | { kind: "flat" };

/** Why these corners are no zone; null: they are one. */
export function problemOfZone(points: readonly Point[]): ZoneProblem | null {
  if (points.length < LEAST_POINTS) return { kind: "few", missing: LEAST_POINTS - points.length };
  if (points.length > MOST_POINTS) return { kind: "many" };
  const crossing = crossingOf(points);
  if (crossing) return crossing;
  return Math.abs(areaOf(points)) < LEAST_AREA ? { kind: "flat" } : null;
}

/** A line needs two ends that lie apart. */
export function problemOfLine(points: readonly Point[]): ZoneProblem | null {
  if (points.length < 2) return { kind: "few", missing: 2 - points.length };
  const [[x1, y1], [x2, y2]] = points as [Point, Point];
  return Math.hypot(x2 - x1, y2 - y1) < 1e-3 ? { kind: "flat" } : null;
}

export function areaOf(points: readonly Point[]): number {
  let twice = 0;
  points.forEach(([x, y], index) => {
    const [nextX, nextY] = points[(index + 1) % points.length] as Point;
    twice += x * nextY - nextX * y;
  });
  return twice / 2;
}

function crossingOf(points: readonly Point[]): ZoneProblem | null {
  const count = points.length;
  const edge = (index: number): [Point, Point] => [points[index] as Point, points[(index + 1) % count] as Point];
  for (let first = 0; first < count; first += 1) {
    for (let second = first + 2; second < count; second += 1) {
      if (first === 0 && second === count - 1) continue;
      const at = meeting(...edge(first), ...edge(second));
      if (at) return { kind: "crossing", first, second, at };
    }
  }
  return null;
}

/** Which side of the line ab the point c lies on. */
function side(a: Point, b: Point, c: Point): number {
  return Math.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]));
}

function meeting(a: Point, b: Point, c: Point, d: Point): Point | null {
  if (side(a, b, c) * side(a, b, d) >= 0 || side(c, d, a) * side(c, d, b) >= 0) return null;
  const turn = (b[0] - a[0]) * (d[1] - c[1]) - (b[1] - a[1]) * (d[0] - c[0]);
  const share = ((c[0] - a[0]) * (d[1] - c[1]) - (c[1] - a[1]) * (d[0] - c[0])) / turn;
  return [a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])];
}

/** Within the picture, to a tenth of a per mille: finer than any hand, and short to read in a file. */
export function kept(x: number, y: number): Point {
  const share = (value: number): number => Math.round(Math.min(1, Math.max(0, value)) * 1e4) / 1e4;
  return [share(x), share(y)];
}

export function moved(points: readonly Point[], index: number, to: Point): Point[] {
  return points.map((point, at) => (at === index ? to : point));
}

export function without(points: readonly Point[], index: number): Point[] {
  return points.filter((_, at) => at !== index);
}

/** A new corner in the middle of the edge that begins at `index`. */
export function split(points: readonly Point[], index: number): Point[] {
  const [x1, y1] = points[index] as Point;
  const [x2, y2] = points[(index + 1) % points.length] as Point;
  return [...points.slice(0, index + 1), kept((x1 + x2) / 2, (y1 + y2) / 2), ...points.slice(index + 1)];
}

/** What a zone begins as when nobody has drawn one: nothing, so that the first click is its first corner. */
export function isPointList(value: unknown): value is Point[] {
  return (
    Array.isArray(value) &&
    value.every((one) => Array.isArray(one) && one.length === 2 && one.every((part) => typeof part === "number"))
  );
}
