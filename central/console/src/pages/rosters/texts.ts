/** Shifts, gaps and what a table would change, as a person reads them. */
import type { Shift } from "@/api/rosters";
import type { Day } from "@/api/types";
import { isChinese, tCode } from "@/words";

import { dayOf, timeOf, weekdayOf } from "./week";
import { o } from "./words";

export const DAYS: readonly Day[] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/** "周一 20:00", of this week. */
export function weekMoment(iso: string): string {
  return `${tCode("day", DAYS[weekdayOf(iso)])} ${timeOf(iso)}`;
}

/** "11-23 周一 20:00". */
export function dayMoment(iso: string): string {
  return `${dayOf(iso).slice(5)} ${weekMoment(iso)}`;
}

function daysText(days: readonly Day[]): string {
  if (days.length === 7) return o("everyDay");
  const numbers = days.map((day) => DAYS.indexOf(day)).sort((a, b) => a - b);
  const [first = 0, last = 0] = [numbers[0], numbers.at(-1)];
  const isRow = numbers.length > 2 && last - first === numbers.length - 1;
  if (isRow) return `${tCode("day", DAYS[first])}–${tCode("day", DAYS[last])}`;
  return numbers.map((number) => tCode("day", DAYS[number])).join(isChinese.value ? "、" : " ");
}

export function shiftText(shift: Shift): string {
  if (shift.weekly) {
    const bands = shift.weekly.bands.map((band) => `${daysText(band.days)} ${band.start}–${band.until}`).join("；");
    const special = shift.weekly.exceptions?.length ? ` · ${o("exceptions", { count: shift.weekly.exceptions.length })}` : "";
    const isLimited = shift.valid_from !== null || shift.valid_to !== null;
    const limits = isLimited ? ` · ${o("validity", { from: shift.valid_from ?? o("open"), to: shift.valid_to ?? o("open") })}` : "";
    return bands + special + limits;
  }
  return o("validity", { from: dayMoment(shift.starts_at ?? ""), to: dayMoment(shift.ends_at ?? "") });
}

/** A line of what an import changes, as the centre's importing.py words it; what this version does not know stays. */
export function changeText(line: string): string {
  const change = /^~ (\S+): (?:(\d+) shifts|always on duty) \(had (\d+)\)$/.exec(line);
  if (change) {
    const [, name = "", shifts, before = ""] = change;
    return shifts === undefined ? o("table.always", { name, before }) : o("table.change", { name, now: shifts, before });
  }
  const sum = /^(\d+) rosters changed, (\d+) unchanged$/.exec(line);
  return sum ? o("table.sum", { changed: sum[1] ?? "", same: sum[2] ?? "" }) : line;
}

/** A bad row: "row 4, username: expected …, got …". */
export function problemText(line: string): string {
  const row = /^row (\d+)(?:, (\w+))?: expected (.+), got (.+)$/s.exec(line);
  if (!row) return line;
  const where = [o("table.row", { row: row[1] ?? "" }), row[2]].filter(Boolean).join(isChinese.value ? "，" : ", ");
  return `${where}：${o("table.expects", { expected: row[3] ?? "", got: row[4] ?? "" })}`;
}
