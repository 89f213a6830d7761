/** Lines of the ground, every metre or more, as they lie in the picture. Pure. */
import type { Point } from "../zones.ts";
import { denominatorAt, inverseOf, NEAR_HORIZON, placeOf, seen, type Ground } from "./ground.ts";

export interface GridLine {
  key: string;
  from: Point;
  to: Point;
  /** Every fifth: drawn stronger, and with its metres where it leaves the picture and there is room for them. */
  isStrong: boolean;
  metres: number;
  label: Point | null;
}

export interface Grid {
  lines: GridLine[];
  /** Metres between two lines, and between two strong ones. */
  step_m: number;
  strong_m: number;
}

/** At most so many lines each way: a finer grid is a grey surface. */
const MOST_LINES = 60;
/** How far the grid goes beyond the points, in widths of what they span: farther out nobody has measured anything. */
const BEYOND = 1.5;
const STEPS = [1, 2, 10, 20, 100, 200, 1000, 2000] as const;

export function gridOf(ground: Ground): Grid {
  const box = boxOf(ground);
  const widest = Math.max(box.right - box.left, box.high - box.low);
  const step_m = STEPS.find((step) => widest / step <= MOST_LINES) ?? 10_000;
  const strong = step_m * 5;
  const inverse = inverseOf(ground);
  const lines: GridLine[] = [];
  for (const axis of [0, 1] as const) {
    const [least, most] = axis === 0 ? [box.left, box.right] : [box.low, box.high];
    const [start, end] = axis === 0 ? [box.low, box.high] : [box.left, box.right];
    for (let number = Math.ceil(least / step_m); number <= Math.floor(most / step_m); number += 1) {
      const metres = number * step_m;
      const ends: [Point, Point] = axis === 0 ? [[metres, start], [metres, end]] : [[start, metres], [end, metres]];
      const cut = inPicture(inverse, ...ends);
      if (!cut) continue;
      const isStrong = metres % strong === 0;
      const label = isStrong ? lowest(cut) : null;
      const isFree = label !== null && lines.every((one) => one.label === null || !isBeside(one.label, label));
      lines.push({ key: `${axis} ${number}`, from: cut[0], to: cut[1], isStrong, metres, label: isFree ? label : null });
    }
  }
  return { lines, step_m, strong_m: strong };
}

/** What of the ground lies in the picture near the points, in metres. */
function boxOf(ground: Ground): { left: number; right: number; low: number; high: number } {
  const metres = ground.pairs.map((pair) => pair.metres);
  const [xs, ys] = [metres.map(([x]) => x), metres.map(([, y]) => y)];
  const around = BEYOND * Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
  const shown = cornersOf(ground).map((point) => placeOf(ground, point));
  const kept = (values: number[], shownValues: number[]): [number, number] => [
    Math.max(Math.min(...values) - around, Math.min(...values, ...shownValues)),
    Math.min(Math.max(...values) + around, Math.max(...values, ...shownValues)),
  ];
  const [left, right] = kept(xs, shown.map(([x]) => x));
  const [low, high] = kept(ys, shown.map(([, y]) => y));
  return { left, right, low, high };
}

/** Of the part of the picture that lies on the ground: its corners, those at the horizon's margin too. */
function cornersOf(ground: Ground): Point[] {
  const whole: Point[] = [[0, 0], [1, 0], [1, 1], [0, 1]];
  const over = (point: Point): number => denominatorAt(ground, point) - 1.01 * NEAR_HORIZON;
  return whole.flatMap((point, index) => {
    const next = whole[(index + 1) % 4] as Point;
    const [here, there] = [over(point), over(next)];
    const kept = here >= 0 ? [point] : [];
    if (here >= 0 === there >= 0) return kept;
    const share = here / (here - there);
    return [...kept, [point[0] + share * (next[0] - point[0]), point[1] + share * (next[1] - point[1])] as Point];
  });
}

/** A line of the ground as far as it lies in the picture and below the horizon; null: none of it does. */
function inPicture(inverse: readonly number[], from: Point, to: Point): [Point, Point] | null {
  const [one, other] = [seen(inverse, from), seen(inverse, to)];
  let [low, high] = [0, 1];
  // Along the line all three figures are straight in its share, so each border cuts it once.
  const borders: [number, number][] = [
    [one[2] - 1e-6, other[2] - 1e-6],
    [1 / NEAR_HORIZON - one[2], 1 / NEAR_HORIZON - other[2]],
    [one[0], other[0]],
    [one[2] - one[0], other[2] - other[0]],
    [one[1], other[1]],
    [one[2] - one[1], other[2] - other[1]],
  ];
  for (const [here, there] of borders) {
    if (here < 0 && there < 0) return null;
    if (here < 0) low = Math.max(low, here / (here - there));
    else if (there < 0) high = Math.min(high, here / (here - there));
  }
  if (low >= high) return null;
  const at = (share: number): Point => {
    const [x, y, w] = one.map((value, index) => value + share * ((other[index] as number) - value)) as [number, number, number];
    return [x / w, y / w];
  };
  return [at(low), at(high)];
}

/** Two labels there would lie one over the other. */
const isBeside = ([x1, y1]: Point, [x2, y2]: Point): boolean => Math.abs(x1 - x2) < 0.06 && Math.abs(y1 - y2) < 0.045;

const lowest = ([one, other]: [Point, Point]): Point => (one[1] >= other[1] ? one : other);
