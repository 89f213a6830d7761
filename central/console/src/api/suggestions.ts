/** What would rid a rule of its false alarms: the node's proposals, and the judged alerts that they rest on. */
import { ask } from "./http.ts";
import type { Recorded } from "./what_if.ts";

export interface LostAlert {
  /** null: the node does not know which of the centre's alerts it is. */
  alert_id: string | null;
  raised_at: string;
  reason: string;
  /** Of a day that was searched; else of one that checks. */
  is_tuned: boolean;
}

export interface Whole {
  kind: "suggestions";
  hazard: string;
  alerts: number;
  false_searched: number;
  false_checked: number;
  /** Judged false where the log cannot be relied on: left out. */
  false_doubted: number;
  true: number;
  unjudged: number;
  /** Local dates, in their order. */
  days_searched: string[];
  days_checked: string[];
  tried: number;
}

export interface Proposal {
  kind: "proposal";
  /** The node's own, English. */
  words: string;
  /** Those that become others, whole, as they stand in a rule. */
  settings: Record<string, unknown>;
  gone_searched: number;
  gone_checked: number;
  lost: LostAlert[];
  /** True alerts that it keeps and a little more of it would lose. */
  nearly_lost: number;
  later_s: number;
  unjudged_gone: number;
  added: number;
}

export interface SuggestionsAnswer {
  node_id: string;
  rows: (Whole | Proposal)[];
  left_out: number;
  from_at: string;
  judged_left_out: number;
  record: Recorded[];
}

export const suggestions = {
  ask: (cameraId: string, body: { rule: unknown; from_at: string; to_at: string }, signal: AbortSignal) =>
    ask<SuggestionsAnswer>(`/api/cameras/${encodeURIComponent(cameraId)}/suggestions`, body, signal),
};
