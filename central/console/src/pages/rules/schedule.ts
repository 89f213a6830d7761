/** A rule's hours as they are written, and as a form shows them. Pure. */

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type Day = (typeof DAYS)[number];

export interface Band {
  days?: Day[];
  start: string;
  until: string;
}

export interface DayOut {
  first: string;
  last?: string | null;
  bands?: Band[];
}

export interface Schedule {
  time_zone?: string;
  bands?: Band[];
  exceptions?: DayOut[];
}

export const WHOLE_DAY: Band = { start: "00:00", until: "24:00" };

/** What a form can show whole. Null: it has parts that only its text tells, and stays text. */
export function asSchedule(value: unknown): Schedule | null {
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) return null;
  const known = new Set(["time_zone", "bands", "exceptions"]);
  const found = value as Schedule;
  if (Object.keys(found).some((key) => !known.has(key))) return null;
  const bands = found.bands ?? [];
  const exceptions = found.exceptions ?? [];
  if (!Array.isArray(bands) || !bands.every(isBand)) return null;
  return Array.isArray(exceptions) && exceptions.every(isDayOut) ? found : null;
}

function isBand(value: unknown): value is Band {
  const { start, until, days = [] } = (value ?? {}) as Band;
  return typeof start === "string" && typeof until === "string" && Array.isArray(days) && days.every((day) => DAYS.includes(day));
}

function isDayOut(value: unknown): value is DayOut {
  const { first, bands = [] } = (value ?? {}) as DayOut;
  return typeof first === "string" && Array.isArray(bands) && bands.every(isBand);
}

/** What is written of it: nothing at all for a schedule that says nothing. */
export function written(schedule: Schedule): Schedule | undefined {
  const { time_zone, bands = [], exceptions = [] } = schedule;
  const said: Schedule = {
    ...(time_zone ? { time_zone } : {}),
    ...(bands.length ? { bands } : {}),
    ...(exceptions.length ? { exceptions } : {}),
  };
  return Object.keys(said).length ? said : undefined;
}

/** The days of a band with one of them turned on or off, in the week's order; the last day stays. */
export function toggled(band: Band, day: Day): Band {
  const days = band.days ?? [...DAYS];
  const next = days.includes(day) ? days.filter((one) => one !== day) : [...days, day];
  if (next.length === 0) return band;
  const { days: _before, ...rest } = band;
  return next.length === DAYS.length ? rest : { days: DAYS.filter((one) => next.includes(one)), ...rest };
}

/** It goes on into the next day. */
export const isOverMidnight = ({ start, until }: Band): boolean => until < start;
