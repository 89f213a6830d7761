/** Calls and types of the review of what ended by itself; loaded with its page. */
import type { OutcomeOfOne } from "./calls.ts";
import { get, post } from "./http.ts";
import type { IncidentPage } from "./types.ts";

export const ANSWERS = ["true_hazard", "false_alarm", "permitted", "no_answer"] as const;
export type Answer = (typeof ANSWERS)[number];
export const WHICH = ["waiting", "reviewed"] as const;
export type Which = (typeof WHICH)[number];

/** Of which of them; an empty text asks for all. `day`: local, "2026-11-23". */
export interface Asked {
  which: Which;
  area: string;
  hazard: string;
  camera_id: string;
  day: string;
}

export interface Reviewed {
  answer: Answer;
  cases: { incident_id: string; version: number }[];
  reason_code?: string;
  note?: string;
  idempotency_key: string;
}

const PAGE = 60;

export const reviews = {
  page: (asked: Asked, cursor: string | null) => {
    const given = Object.entries({ ...asked, cursor: cursor ?? "" }).filter(([, value]) => value);
    return get<IncidentPage>(`/api/reviews?${new URLSearchParams({ ...Object.fromEntries(given), limit: String(PAGE) }).toString()}`);
  },
  say: (body: Reviewed) => post<{ outcomes: OutcomeOfOne[] }>("/api/reviews", body),
};
