/** Calls and types of reports; loaded with the page that shows them. */
import { ApiProblem, asProblem, get, NoAnswer, noteServerTime, signedOut } from "./http.ts";
import type { AreaName } from "./types.ts";

export type Grouping = "hazard" | "shift" | "day" | "area";
export const STEPS = ["judged", "dispatched", "taken", "arrived", "handled", "closed"] as const;
export type Step = (typeof STEPS)[number];
export const RATES = [
  "judge_on_time",
  "take_on_time",
  "arrive_on_time",
  "check_on_time",
  "reply_on_time",
  "false_alarm",
  "returned",
  "reopened",
] as const;
export type RateName = (typeof RATES)[number];

/** `value` is null where the denominator is 0. */
export interface Rate {
  numerator: number;
  denominator: number;
  value: number | null;
}

export interface StepTimes {
  since: "opened" | "dispatched";
  n: number;
  p50_s: number | null;
  p90_s: number | null;
}

export interface Sums {
  counts: Record<string, number>;
  rates: Record<RateName, Rate>;
  steps: Record<Step, StepTimes>;
}

export interface Group extends Sums {
  key: string;
  /** Of areas; under the own code what lies in none of those one level down. */
  area?: AreaName;
  is_area_itself?: boolean;
  /** Of shifts: "08:00". */
  from?: string;
  until?: string;
}

export interface Figures {
  area: AreaName;
  from: string;
  to: string;
  group: Grouping | "none";
  freshness: { is_current: boolean; events_behind: number; units_waiting: number; rolled_at: string | null };
  percentile_error: { relative: number; below_1_s: number };
  total: Sums;
  groups: Group[];
}

/** Days are local: "2026-11-23", both included. */
export interface Asked {
  area: string;
  from: string;
  to: string;
  hazard: string;
  drill: boolean;
}

export interface LedgerAsked extends Asked {
  why: string;
  format: "xlsx" | "csv";
  language: "zh" | "en";
}

function query(asked: Asked & Record<string, unknown>): string {
  const said = Object.entries(asked).filter(([, value]) => value !== "" && value !== false);
  return new URLSearchParams(said.map(([name, value]) => [name, String(value)])).toString();
}

export const reports = {
  figures: (asked: Asked, group: Grouping) => get<Figures>(`/api/reports/figures?${query({ ...asked, group })}`),
  /** The whole file; without a deadline, for a large one takes minutes. */
  async ledger(asked: LedgerAsked): Promise<{ name: string; content: Blob }> {
    let response: Response;
    const askedAtMs = performance.now();
    try {
      response = await fetch(`/api/reports/ledger?${query({ ...asked })}`, { credentials: "same-origin", cache: "no-store" });
    } catch (error) {
      throw new NoAnswer(error);
    }
    noteServerTime(response.headers.get("Date"), askedAtMs);
    if (!response.ok) {
      if (response.status === 401) signedOut();
      throw new ApiProblem(response.status, asProblem(await response.json().catch(() => null), response.status));
    }
    const name = /filename="([\w.-]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1];
    try {
      return { name: name ?? `ledger.${asked.format}`, content: await response.blob() };
    } catch (error) {
      throw new NoAnswer(error); // it broke off: half a ledger is none
    }
  },
};
