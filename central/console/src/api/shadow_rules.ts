/** Calls and types of the page of rules in the shadow; loaded with it. */
import { ask, get, post } from "./http.ts";
import type { RulesStateName } from "./rules.ts";
import type { Seat } from "./what_if.ts";

export interface ShadowCount {
  at: string;
  by: string;
  asked_hours: number;
  answered_s: number;
  alerts: number;
  /** null: the node's log can say nothing. */
  alerts_per_day: number | null;
}

export interface ShadowRule {
  camera_id: string;
  name: string;
  area_code: string | null;
  node_id: string | null;
  node_state: string | null;
  state: RulesStateName;
  rule_id: string;
  hazard: string;
  since: string | null;
  count: ShadowCount | null;
  waiting: { version: number; by: string }[];
  /** Of the township that receives its alerts. */
  seat: string | null;
}

export interface ShadowList {
  items: ShadowRule[];
  seats: Record<string, Seat>;
  hours: number;
  new_in_shadow: boolean;
}

export interface PromotionResult {
  camera_id: string;
  version?: number;
  state?: string;
  refused?: { code: string; text: string };
}

export interface PromotionBody {
  items: { camera_id: string; rule_ids: string[] }[];
  why: string;
  early: boolean;
  idempotency_key: string;
}

export const shadowRules = {
  list: () => get<ShadowList>("/api/camera-rules/shadow"),
  count: (cameraId: string, ruleId: string, signal: AbortSignal) =>
    ask<unknown>(`/api/cameras/${encodeURIComponent(cameraId)}/rules/shadow-count`, { rule_id: ruleId }, signal),
  promote: (body: PromotionBody) => post<{ results: PromotionResult[] }>("/api/camera-rules/promotions", body),
};
