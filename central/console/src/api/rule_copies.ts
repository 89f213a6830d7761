/** Calls and types of rules that are copied to many cameras; loaded with that page. */
import { get, post } from "./http.ts";
import type { CanaryAsked, CanaryMove, Trial } from "./rule_levels.ts";
import type { Difference, VersionMove } from "./rules.ts";

export interface CopyTarget {
  camera_id: string;
  name: string;
  area_code: string | null;
  newest_version: number;
  /** Why it keeps what it has; null: it is given the rules. */
  left_out: string | null;
  problems: string[];
  severities: string[];
  /** Rules that it has not yet: their zones are of another picture. */
  new: string[];
  differences: Difference[];
}

export interface CopyPreview {
  items: CopyTarget[];
  changed: number;
  severity_changes: string[];
  /** So many change that it should be tried on some first. */
  asks_trial: boolean;
  /** Of the rules that are copied. */
  rules_digest: string;
}

export interface RuleCopy extends Omit<Trial, "moves"> {
  copy_id: string;
  source_id: string;
  rules: { rule_id: string; hazard: string }[];
  why: string;
  severities: string[];
  made_at: string;
  by: string;
  decided_at: string | null;
  decided_by: string | null;
  decide_note: string | null;
  is_tried: boolean;
  was_promoted: boolean;
  spreading: boolean;
  given: number;
  to_come: number;
  left_out: Record<string, string>;
  brought_back: number;
  kept: Record<string, string>;
  moves: (CanaryMove | VersionMove)[];
}

export interface CopyBody {
  source: string;
  rule_ids: string[];
  cameras: { camera_id: string; based_on: number }[];
  rules_digest: string;
  why: string;
  canary?: CanaryAsked;
  idempotency_key: string;
}

const of = (copyId: string): string => `/api/rule-copies/${encodeURIComponent(copyId)}`;

export const ruleCopies = {
  list: () => get<{ items: RuleCopy[] }>("/api/rule-copies"),
  check: (body: { source: string; rule_ids: string[]; cameras: string[] }) => post<CopyPreview>("/api/rule-copies/check", body),
  make: (body: CopyBody) => post<RuleCopy>("/api/rule-copies", body),
  decide: (copyId: string, move: VersionMove, note: string) => post<RuleCopy>(`${of(copyId)}/moves`, { move, note }),
  turn: (copyId: string, move: CanaryMove) => post<RuleCopy>(`${of(copyId)}/trial/moves`, { move }),
};
