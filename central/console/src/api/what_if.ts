/** A draft tried on what a camera showed: the node's rows, and what the centre knows of the same time. */
import { ask, get } from "./http.ts";

export interface WouldBe {
  began_at: string;
  raised_at: string;
  ended_at: string | null;
  severity: number;
  reason: string;
  boxes_xyxyn: [number, number, number, number][];
  /** Why the log cannot be relied on at its raise; null: it can. */
  unanswered: string | null;
}

export interface Summary {
  kind: "summary";
  rule_id: string;
  hazard: string;
  /** As asked, as far as that was said; null: nor has the log an end. */
  from_at: string | null;
  to_at: string | null;
  /** 0: nothing is logged of this camera in this time. */
  looks: number;
  alerts: number;
  alerts_per_day: number | null;
  alerts_per_day_low: number | null;
  alerts_per_day_high: number | null;
  running_alerts: number | null;
  running_alerts_per_day: number | null;
  total_s: number;
  answered_s: number;
  cannot_answer_s: Record<string, number>;
  cannot_answer_always: string | null;
  difference?: { added: number; gone: number; moved: number; same: number };
}

export type Row =
  | Summary
  | ({ kind: "alert" | "added" | "gone" } & WouldBe)
  | { kind: "moved"; running: WouldBe; draft: WouldBe; raised_later_s: number; ended_later_s: number | null }
  | { kind: "cannot_answer"; from_at: string; until_at: string; reason: string };

export type Judged = "true_hazard" | "false_alarm" | "permitted" | "duplicate" | "nothing_here" | "unjudged";

export interface Recorded {
  alert_id: string;
  incident_id: string;
  began_at: string;
  raised_at: string;
  ended_at: string | null;
  judged: Judged;
  sha256: string | null;
  frame_size_wh: [number, number] | null;
  boxes_xyxyn: [number, number, number, number][];
}

export interface Scored {
  found: number;
  missed: number;
  unanswered: number;
  true_alerts: number;
  false_alerts: number;
  unjudged: number;
  precision: number | null;
  recall: number | null;
}

export interface Seat {
  area: { code: string; name: string; name_en: string };
  alerts_per_day: number;
  incidents_per_day: number;
  days: number;
}

export interface Answer {
  node_id: string;
  rows: Row[];
  left_out: number;
  record: Recorded[];
  scored: Scored | null;
  seat: Seat | null;
}

export interface Progress {
  asked_at: string;
  pages_came: number;
  pages: number | null;
}

const of = (cameraId: string): string => `/api/cameras/${encodeURIComponent(cameraId)}/backtest`;

export const whatIf = {
  ask: (cameraId: string, body: { rule: unknown; from_at: string; to_at: string }, signal: AbortSignal) =>
    ask<Answer>(of(cameraId), body, signal),
  progress: (cameraId: string) => get<{ under_way: Progress | null }>(of(cameraId)),
};
