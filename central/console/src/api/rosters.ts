/** Calls and types of rosters and duty; loaded with the pages that show them. */
import { get, post, put } from "./http.ts";
import type { AreaName, Role, Weekly } from "./types.ts";

export type ShiftKind = "weekly" | "span" | "leave";
export type Lack = "worker" | "desk";

/** One line of a roster; a field that does not belong to the kind is null, and may be left out on the way in. */
export interface Shift {
  kind: ShiftKind;
  area_code: string | null;
  weekly: (Weekly & { exceptions?: unknown[] }) | null;
  valid_from: string | null;
  valid_to: string | null;
  starts_at: string | null;
  ends_at: string | null;
}

export interface PersonRoster {
  user_id: string;
  display_name: string;
  role: Role;
  area_code: string;
  version: number;
  changed_at: string | null;
  changed_by: string | null;
  shifts: Shift[];
  left_behind: number;
  may_replace: boolean;
}

export interface WeekPerson {
  user_id: string;
  display_name: string;
  role: Role;
  is_rostered: boolean;
  is_guest: boolean;
}

/** Nobody comes or goes in it; its end is not included. */
export interface Stretch {
  starts_at: string;
  ends_at: string;
  on_duty: string[];
  on_leave: string[];
  lacks: Lack[];
}

export interface Week {
  area: AreaName;
  starts_at: string;
  ends_at: string;
  people: WeekPerson[];
  stretches: Stretch[];
}

export interface OwnRoster extends Omit<PersonRoster, "may_replace"> {
  duty: { starts_at: string; ends_at: string; areas: AreaName[] }[];
}

const person = (userId: string): string => `/api/people/${encodeURIComponent(userId)}/roster`;

export const rosters = {
  /** `day`: its first, "2026-11-23"; null: this week. */
  week: (code: string, day: string | null) =>
    get<Week>(`/api/areas/${encodeURIComponent(code)}/week${day === null ? "" : `?day=${day}`}`),
  person: (userId: string) => get<PersonRoster>(person(userId)),
  replace: (userId: string, body: { version: number; shifts: Shift[] }) => put<PersonRoster>(person(userId), body),
  take: (text: string, dryRun: boolean) =>
    post<{ changes: string[]; dry_run: boolean }>("/api/rosters/import", { text, dry_run: dryRun }),
  own: () => get<OwnRoster>("/api/me/roster"),
};
