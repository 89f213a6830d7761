/** Incidents, and all that is told of one of them. */
import type { KeepMove } from "../keeping.ts";
import type { AreaName, Level } from "./areas.ts";
import type { LaterLimit, Suspension, TaskBrief } from "./tasks.ts";

/** 1 red (most severe), 2 orange, 3 yellow, 4 blue. */
export type Severity = 1 | 2 | 3 | 4;
export type IncidentState = "open" | "unit_told" | "unit_clearing" | "dispatched" | "taken" | "arrived" | "handled" | "to_check" | "long_lived" | "closed";
export type CloseReason =
  | "verified"
  | "false_alarm"
  | "permitted"
  | "duplicate"
  | "ended_by_itself"
  | "checked_by_hand"
  | "merged";
export type ClockKind = "judge" | "take" | "arrive" | "check" | "remind" | "deadline" | "reply" | "clear" | "resume";

export interface Measure {
  value: number;
  unit: string;
}

export interface Reason {
  code: string;
  text: string;
  about: Record<string, string>;
}

export type BoxXyxyn = [number, number, number, number];

export interface Picture {
  sha256: string;
  received: boolean;
  boxes_xyxyn: BoxXyxyn[];
  frame_size_wh: [number, number] | null;
  /** The rule's zone in the same picture, when the centre knows it. */
  zone_xyn?: [number, number][] | null;
}

/** A clock that counts working hours only: the working time between its start and its due, as pairs of moments. */
export interface HoursCounted {
  calendar: string;
  periods: [string, string][];
}

export interface Clock {
  kind: ClockKind;
  started_at: string;
  due_at: string;
  breached: boolean;
  escalated_to: Level | null;
  /** It waits while its task is suspended. */
  paused_at?: string | null;
  /** null: every hour counts. */
  counts?: HoursCounted | null;
}

export interface Place {
  camera_id: string;
  camera_name: string;
  longitude: number | null;
  latitude: number | null;
  place_class: string;
}

export interface Incident {
  incident_id: string;
  number: string;
  hazard: string;
  severity: Severity;
  state: IncidentState;
  drill: boolean;
  area: AreaName & { path: AreaName[] };
  place: Place;
  misplaced: boolean;
  opened_at: string;
  updated_at: string;
  began_at: string;
  last_observed_at: string;
  alert_count: number;
  camera_count: number;
  still_present: boolean;
  reason: Reason;
  measures: Record<string, Measure>;
  picture: Picture | null;
  clock: Clock | null;
  task: TaskBrief | null;
  owner_level: Level;
  /** The last reminder to whoever has it to do. */
  urged?: Urged | null;
  messages?: Messages | null;
  /** Of its task, the last one. */
  suspension?: Suspension | null;
  /** Of its task, the last one asked for. */
  later_limit?: LaterLimit | null;
  /** By a centre above, the last one. */
  supervision?: Supervision | null;
  /** Every camera that still tells of it sees wrongly. `told_after_s`: so long after the case had opened; null: known by then. */
  camera_fault?: { reason: string; told_at: string; told_after_s: number | null } | null;
  /** What a person has said of its severity, the last time. */
  raised?: Raised | null;
  verified: boolean;
  closed_at: string | null;
  close_reason: CloseReason | null;
  /** Of what ended by itself before it was judged: "waiting", or what a review said. Null: nothing to review. */
  review: "waiting" | "true_hazard" | "false_alarm" | "permitted" | "no_answer" | null;
  /** The incident its alerts are in now. */
  merged_into?: IncidentName | null;
  version: number;
}

export interface IncidentName {
  incident_id: string;
  number: string;
}

export type MoveName = "confirm" | "false_alarm" | "permitted" | "duplicate" | "dispatch" | "close" | "reopen";

export interface TimelineEntry {
  at: string;
  kind: string;
  actor: { kind: "system" | "user" | "node" | "unit"; name: string };
  params: Record<string, unknown>;
}

/** Why the centre grouped, routed or asked so: a code the console translates, with English text to fall back on; the
 * steps that led there come first. */
export type Why =
  | string
  | { code: string; text?: string; about?: Record<string, unknown>; params?: Record<string, unknown>; steps?: Why[] }
  | null;

/** A merge, a split, or a merge undone. */
export interface Regrouping {
  kind: "merge" | "split" | "undo";
  at: string;
  by: string;
  from: IncidentName;
  into: IncidentName;
  reason_code: string | null;
  note: string | null;
}

export type RegroupName = "merge" | "split";

/** An incident that could be merged into another one. */
export interface Mergeable {
  incident: Incident;
  distance_m: number | null;
  why_not: { code: string; text: string } | null;
}

export interface MemberAlert {
  alert_id: string;
  severity?: Severity;
  reason?: Reason;
  measures?: Record<string, Measure>;
  why_folded?: Why;
  /** What people did to it since it was folded, oldest first. */
  moved?: Regrouping[];
  camera_id?: string;
  phase?: string;
  end_reason?: string | null;
  began_at?: string;
  observed_at?: string;
  confidence?: number;
}

export interface EvidenceItem {
  sha256: string;
  /** fresh: somebody asked for it. */
  kind: "onset" | "confirm" | "end" | "fresh";
  received: boolean;
}

/** A fire lane that a camera of the case watches, and who keeps it clear; the number masked but for its end. */
export interface CaseLane {
  /** Null beyond the border of one's areas. */
  lane_id: string | null;
  name: string;
  unit: string;
  marking_photo: string | null;
  duty_phone: string;
}

/** What was asked of a lane's managing unit, which is told before a worker is sent. */
export interface CaseUnit {
  lane_id: string | null;
  lane_name: string;
  unit: string;
  state: "told" | "clearing" | "done" | "cannot" | "given_up" | "bypassed" | "over";
  replied_by: "link" | "gateway" | null;
  told_at: string;
  reply_by: string;
  opened_at: string | null;
  replied_at: string | null;
  clear_by: string | null;
  ended_at: string | null;
  steps: { channel: string; state: string; reason: string | null }[];
}

/** What is named of a hazard that is or was kept open. */
export interface KeptOpen {
  level: Level;
  holder: string;
  holder_unit: string;
  measures: string;
  funds: string;
  plan: string;
  deadline: string;
  first_deadline: string;
  extensions: number;
  kept_at: string;
  kept_by: string;
  extension_asked: { deadline: string; by: string; why: string } | null;
  photos: { sha256: string; move: string; at: string; by: string }[];
}

/** A step of the hazard's checklist; `by` and `at` of the last who ticked it or took that back. */
export interface ChecklistStep {
  step_id: string;
  zh: string;
  en: string;
  done: boolean;
  by: string | null;
  at: string | null;
}

export interface IncidentDetail extends Incident {
  checklist?: ChecklistStep[];
  may_tick?: boolean;
  lanes?: CaseLane[];
  unit?: CaseUnit | null;
  kept_open?: KeptOpen | null;
  alerts: MemberAlert[];
  /** Of what is kept open or closed only the newest are here. */
  alerts_left_out?: number;
  timeline_left_out?: number;
  timeline: TimelineEntry[];
  evidence: EvidenceItem[];
  why_folded: Why;
  why_routed: Why;
  regroupings?: (Regrouping & { may_undo: boolean })[];
  moves: MoveName[];
  may_regroup?: RegroupName[];
  may_aside?: AsideName[];
  may_keep?: KeepMove[];
}

/** One that was at this place before. */
export interface EarlierIncident {
  incident_id: string;
  number: string;
  severity: Severity;
  state: IncidentState;
  close_reason: CloseReason | null;
  opened_at: string;
  closed_at: string | null;
  camera_id: string;
  camera_name: string;
  /** 0: the same camera. */
  distance_m: number;
}

export interface Earlier {
  days: number;
  near_m: number;
  total: number;
  /** By close reason, or "open". */
  by_end: Record<string, number>;
  /** There were more than are counted. */
  is_cut: boolean;
  items: EarlierIncident[];
}

export interface IncidentPage {
  items: Incident[];
  next_cursor: string | null;
}

/** The side moves with routes of their own that this person could make. */
export type AsideName =
  | "transfer"
  | "urge"
  | "say"
  | "answer_help"
  | "ask_suspension"
  | "suspend"
  | "refuse_suspension"
  | "resume_by_desk"
  | "take_back_by_desk"
  | "ask_later_limit"
  | "move_limit"
  | "refuse_later_limit"
  | "take_back_later_by_desk"
  | "raise_severity"
  | "reply_supervision"
  | "supervise"
  | "end_supervision"
  | "review";

export interface Raised {
  severity: Severity;
  before: Severity;
  by: string;
  at: string;
  reason_code: string | null;
  note: string | null;
}

/** A centre above watches a case until a date (督办). */
export interface Supervision {
  area_code: string;
  area_name: string;
  area_name_en: string;
  level: Level;
  note: string;
  due: string;
  since: string;
  by: string;
  /** Of the centres below, the newest few, oldest first; `replied`: of all. */
  replies?: { at: string; by: string; level: Level; area_name: string; area_name_en: string; text: string }[];
  replied?: number;
  ended_at: string | null;
  ended_by?: string;
  ended_why?: string;
}

/** What a desk or the worker of a case has said; `voices`: notes by hash, of a worker. */
export interface Message {
  at: string;
  by: string;
  from: "desk" | "worker";
  text: string;
  voices?: string[];
}

/** `items`: the newest few, oldest first; `count`: of all. */
export interface Messages {
  count: number;
  items: Message[];
}

/** How often a case was urged, and the last time: by whom, about which task; null: its judgement. */
export interface Urged {
  count: number;
  at: string;
  by: string;
  note: string | null;
  task_id: string | null;
}
