/** A week of duty as bars and gaps. Pure. Days and times are those of China, whatever this computer's clock says. */
import type { Lack, Stretch } from "../../api/rosters.ts";

const DAY_MS = 24 * 3600 * 1000;
/** No change of the clock since 1991. */
const SHANGHAI_MS = 8 * 3600 * 1000;

export interface Bar {
  standing: "duty" | "leave";
  starts_at: string;
  ends_at: string;
}

export interface Gap {
  lacks: Lack[];
  starts_at: string;
  ends_at: string;
}

/** One person's bars: neighbouring stretches are one, whoever else came or went. */
export function barsOf(stretches: readonly Stretch[], userId: string): Bar[] {
  const found: Bar[] = [];
  for (const one of stretches) {
    const standing = one.on_duty.includes(userId) ? "duty" : one.on_leave.includes(userId) ? "leave" : null;
    if (standing === null) continue;
    const last = found.at(-1);
    if (last && last.standing === standing && last.ends_at === one.starts_at) last.ends_at = one.ends_at;
    else found.push({ standing, starts_at: one.starts_at, ends_at: one.ends_at });
  }
  return found;
}

/** When the area lacks somebody it otherwise has. */
export function gapsOf(stretches: readonly Stretch[]): Gap[] {
  const found: Gap[] = [];
  for (const { lacks, starts_at, ends_at } of stretches) {
    if (lacks.length === 0) continue;
    const last = found.at(-1);
    if (last && last.ends_at === starts_at && last.lacks.join() === lacks.join()) last.ends_at = ends_at;
    else found.push({ lacks, starts_at, ends_at });
  }
  return found;
}

/** How far into the week, 0 to 1. */
export function shareOf(iso: string, startsAt: string, endsAt: string): number {
  const [from, to] = [Date.parse(startsAt), Date.parse(endsAt)];
  return Math.min(1, Math.max(0, (Date.parse(iso) - from) / (to - from)));
}

/** As text of a local date: "2026-11-23". */
export function dayOf(iso: string | number): string {
  return new Date((typeof iso === "number" ? iso : Date.parse(iso)) + SHANGHAI_MS).toISOString().slice(0, 10);
}

/** "20:00". */
export function timeOf(iso: string): string {
  return new Date(Date.parse(iso) + SHANGHAI_MS).toISOString().slice(11, 16);
}

/** 0 Monday to 6 Sunday. */
export function weekdayOf(iso: string | number): number {
  return (new Date((typeof iso === "number" ? iso : Date.parse(iso)) + SHANGHAI_MS).getUTCDay() + 6) % 7;
}

export function plusDays(day: string, count: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + count * DAY_MS).toISOString().slice(0, 10);
}

/** The seven days from a first one. */
export function daysFrom(first: string): string[] {
  return Array.from({ length: 7 }, (_, number) => plusDays(first, number));
}

/** What `<input type="datetime-local">` holds, taken as time of China. */
export function momentOf(local: string): string {
  return new Date(Date.parse(`${local}:00+08:00`)).toISOString();
}

export function localOf(iso: string): string {
  return `${dayOf(iso)}T${timeOf(iso)}`;
}
