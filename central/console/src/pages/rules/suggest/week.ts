/** Minutes of a week in which a rule may alert, as its schedule says, and which of them a change takes away. Pure. */

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type Day = (typeof DAYS)[number];

/** Never over midnight. `until` is not included. */
export interface Band {
  days: Day[];
  start: string;
  until: string;
}

const DAY_MINUTES = 1440;

/** Bands of `before` that are not in `after`; null: always. Days of one band have the same hours. */
export function quietened(before: unknown, after: unknown): Band[] {
  const [was, is] = [weekOf(before), weekOf(after)];
  const found = new Map<string, Band>();
  DAYS.forEach((day, number) => {
    let from = -1;
    for (let minute = 0; minute <= DAY_MINUTES; minute += 1) {
      const at = number * DAY_MINUTES + minute;
      const isGone = minute < DAY_MINUTES && was[at] === 1 && is[at] === 0;
      if (isGone && from < 0) from = minute;
      if (isGone || from < 0) continue;
      const band = found.get(`${from} ${minute}`) ?? { days: [], start: clock(from), until: clock(minute) };
      band.days.push(day);
      found.set(`${from} ${minute}`, band);
      from = -1;
    }
  });
  return [...found.values()];
}

function weekOf(schedule: unknown): Uint8Array {
  const week = new Uint8Array(7 * DAY_MINUTES);
  const bands = schedule === null || typeof schedule !== "object" ? null : (schedule as { bands?: Partial<Band>[] }).bands;
  if (!bands) return week.fill(1);
  for (const { days = [...DAYS], start = "00:00", until = "24:00" } of bands) {
    const [from, to] = [minutes(start), minutes(until)];
    for (const day of days) {
      const midnight = DAYS.indexOf(day) * DAY_MINUTES;
      week.fill(1, midnight + from, midnight + (to < from ? DAY_MINUTES : to));
      if (to >= from) continue;
      const next = (midnight + DAY_MINUTES) % week.length;
      week.fill(1, next, next + to);
    }
  }
  return week;
}

function minutes(clockTime: string): number {
  const [hour = 0, minute = 0] = clockTime.split(":").map(Number);
  return hour * 60 + minute;
}

const clock = (minute: number): string => `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
