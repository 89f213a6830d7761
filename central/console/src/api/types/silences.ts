/** Silences, and the calendars that are proposed. */
import type { AreaName } from "./areas.ts";
import type { Measure, Reason, Severity } from "./incidents.ts";

/** "fault" is made by the centre while a camera sees wrongly; the others by people. */
export type SilenceKind = "silence" | "maintenance" | "event" | "fault";
export type Day = "mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun";

/** `until` not after `start`: over midnight. Local time of `time_zone`. */
export interface TimeBand {
  days: Day[];
  start: string;
  until: string;
}

export interface Weekly {
  time_zone?: string;
  bands: TimeBand[];
}

export interface Silence {
  silence_id: string;
  kind: SilenceKind;
  state: "planned" | "active" | "expired" | "ended";
  area: AreaName;
  camera_id: string | null;
  /** As the register has it. */
  camera_name?: string | null;
  node_id: string | null;
  hazard: string | null;
  rule_id: string | null;
  severities: number[];
  reason: string;
  owner: { user_id: string; display_name: string; level: string };
  starts_at: string;
  ends_at: string;
  weekly: Weekly | null;
  alerts: { total: number; hidden: number; over: number; left: number; passed_on: number };
  version: number;
  /** Not in events: what this person may do. */
  moves?: string[];
}

/** One alert in the book of a silence: what it was when it was hidden last, and where it is now. */
export interface SilencedAlert {
  alert_id: string;
  camera_id: string;
  hazard: string;
  severity: Severity;
  reason: Reason;
  measures: Record<string, Measure>;
  began_at: string;
  hidden_at: string;
  standing: "hidden" | "over" | "left" | "passed_on";
  incident_id: string | null;
  left_at: string | null;
}

export interface CalendarProposal {
  proposal_id: string;
  area: AreaName;
  camera_id: string;
  camera_name: string;
  hazard: string;
  rule_id: string;
  weekly: Weekly;
  ends_at: string;
  closings: { incident_id: string; number: string; began_at: string; closed_at: string }[];
  state: "open" | "accepted" | "refused" | "lapsed";
  version: number;
  moves?: string[];
}
