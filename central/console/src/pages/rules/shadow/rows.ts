/** Rules in the shadow as the page sorts them, adds them up and asks for them. Pure. */
import type { PromotionBody, ShadowRule } from "../../../api/shadow_rules.ts";
import type { Seat } from "../../../api/what_if.ts";

export type SortBy = "rate" | "since" | "name";

export const keyOf = (one: ShadowRule): string => `${one.camera_id}/${one.rule_id}`;

/** What is not known stands last, whichever way it is sorted. */
export function sorted(rows: readonly ShadowRule[], by: SortBy, isDescending: boolean): ShadowRule[] {
  const sign = isDescending ? -1 : 1;
  const value = (one: ShadowRule): string | number | null =>
    by === "rate" ? (one.count?.alerts_per_day ?? null) : by === "since" ? one.since : one.name;
  return [...rows].sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    return a === b ? keyOf(one).localeCompare(keyOf(other)) : a < b ? -sign : sign;
  });
}

/** Hours in the shadow. */
export function triedHours(one: ShadowRule, nowMs: number): number | null {
  return one.since === null ? null : Math.max(0, (nowMs - Date.parse(one.since)) / 3_600_000);
}

export interface SeatLoad {
  code: string;
  seat: Seat;
  rules: number;
  /** Of the rules that were counted; `uncounted` says how many were not. */
  perDay: number;
  uncounted: number;
  isOver: boolean;
}

/** What each seat would receive more in a day, the most burdened first; each alert counts as an incident of its own. */
export function loads(rows: readonly ShadowRule[], seats: Record<string, Seat>): SeatLoad[] {
  const found = new Map<string, SeatLoad>();
  for (const row of rows) {
    const seat = row.seat === null ? undefined : seats[row.seat];
    if (row.seat === null || !seat) continue;
    const load = found.get(row.seat) ?? { code: row.seat, seat, rules: 0, perDay: 0, uncounted: 0, isOver: false };
    const perDay = row.count?.alerts_per_day ?? null;
    load.rules += 1;
    if (perDay === null) load.uncounted += 1;
    else load.perDay += perDay;
    load.isOver = load.seat.incidents_per_day + load.perDay > load.seat.alerts_per_day;
    found.set(row.seat, load);
  }
  const share = (one: SeatLoad): number => (one.seat.incidents_per_day + one.perDay) / one.seat.alerts_per_day;
  return [...found.values()].sort((one, other) => share(other) - share(one));
}

/** One item for each camera, in the order of the rows. */
export function askedFor(rows: readonly ShadowRule[]): PromotionBody["items"] {
  const found = new Map<string, string[]>();
  for (const row of rows) found.set(row.camera_id, [...(found.get(row.camera_id) ?? []), row.rule_id]);
  return [...found].map(([camera_id, rule_ids]) => ({ camera_id, rule_ids }));
}

/** Does `work` for each, `most` at once and never two of one node: it answers one question at a time. Ends with all. */
export async function inTurn<One extends { node_id: string | null }>(
  rows: readonly One[],
  most: number,
  work: (one: One) => Promise<void>,
): Promise<void> {
  const lines = new Map<string, One[]>();
  for (const row of rows) {
    const node = row.node_id ?? "";
    lines.set(node, [...(lines.get(node) ?? []), row]);
  }
  const waiting = [...lines.values()];
  const next = async (): Promise<void> => {
    for (let line = waiting.shift(); line; line = waiting.shift()) for (const one of line) await work(one);
  };
  await Promise.all(Array.from({ length: Math.min(most, waiting.length) }, next));
}
