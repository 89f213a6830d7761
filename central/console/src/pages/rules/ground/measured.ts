/** A zone or a line in metres, in words. */
import type { Point } from "../zones";
import { areaM2, lengthM, type Ground, type GroundProblem } from "./ground";
import { g } from "./words";

/** Three figures that count: nobody measures finer by hand. */
export function figure(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toFixed(value >= 10 ? 1 : 2);
}

const percent = (share: number): string => String(Math.max(1, Math.round(share * 100)));

export function measuredText(ground: Ground, points: readonly Point[], isLine: boolean): string {
  if (isLine) {
    const found = points.length === 2 ? lengthM(ground, points[0] as Point, points[1] as Point) : null;
    return found ? g("length", { m: figure(found.m), share: percent(found.share) }) : g("sky");
  }
  const found = areaM2(ground, points);
  if (!found) return g("sky");
  const sides = points.map((point, index) => lengthM(ground, point, points[(index + 1) % points.length] as Point)?.m ?? Number.NaN);
  const m = sides.reduce((sum, one) => sum + one, 0);
  return g("areaSides", { m2: figure(found.m2), share: percent(found.share), m: figure(m) });
}

export function problemText(problem: GroundProblem): string {
  switch (problem.kind) {
    case "few":
      return g("few", { missing: problem.missing });
    case "unwritten":
      return g("unwritten", { number: problem.number + 1 });
    case "same":
      return g(`same.${problem.where}`, { first: problem.first + 1, second: problem.second + 1 });
    case "line":
      return g(`line.${problem.where}`);
    case "mirrored":
      return g("mirrored");
    case "fit":
      return g("fit", { number: problem.number + 1, off: figure(problem.off_m), most: figure(problem.most_m) });
  }
}
