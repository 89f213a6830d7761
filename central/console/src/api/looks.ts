/** A look that somebody asks for: what the rule says now, and a small masked picture of this moment. */
import { ask } from "./http.ts";
import type { Measure } from "./types.ts";

export type Says = "holds" | "clear" | "unclear" | "outside_hours" | "cannot_see";

export interface FreshLook {
  camera_id: string;
  rule_id: string;
  alert_id: string;
  /** When the picture was taken; null: there is none. */
  observed_at: string | null;
  says: Says;
  since: string | null;
  has_alert: boolean;
  measures: Record<string, Measure>;
  /** cannot_see: a code. */
  why: string | null;
  /** JPEG, base64. */
  preview: string | null;
  /** Why there is no preview: a code. */
  no_picture: string | null;
  /** The still in full: among the case's evidence, once it has come. */
  still_sha256: string | null;
  frame_size_wh: [number, number] | null;
}

export const lookNow = (incidentId: string, signal: AbortSignal) =>
  ask<FreshLook>(`/api/incidents/${encodeURIComponent(incidentId)}/look`, {}, signal);
