/**
 * What the centre answers, written by hand after the interface notes; to be generated from its OpenAPI later.
 * Times are ISO-8601 UTC text. A field added by a newer centre is ignored here.
 */

import type { KeepMove } from "./keeping.ts";
import type { Says } from "./looks.ts";

export type Role = "admin" | "security" | "operator" | "rule_operator" | "supervisor" | "worker" | "auditor" | "viewer";
export type Level = "city" | "county" | "township" | "village" | "grid";

export interface AreaName {
  code: string;
  name: string;
  name_en?: string | null;
  level: Level;
}

export interface User {
  user_id: string;
  username: string;
  display_name: string;
  role: Role;
  area: AreaName;
}

/** A person's own second factor, as the centre tells it; secrets are shown once, when they are made. */
export interface SecondFactor {
  is_enrolled: boolean;
  /** Nothing but enrolling one, and signing out, is allowed now. */
  must_enrol: boolean;
  recovery_codes_left: number;
}

export interface Enrolment {
  secret: string;
  uri: string;
}

/** The password was right, and a code is asked now. */
export interface SecondStepAsked {
  second_step: true;
  expires_in_s: number;
}

export interface WaysToSignIn {
  single_sign_on: boolean;
  label: string;
}

/** An account as its security administrator sees it. */
export interface Session {
  user: User;
  second_factor: SecondFactor;
  csrf: string;
}

export type Ring = [number, number][];
export type AreaGeometry = { type: "Polygon"; coordinates: Ring[] } | { type: "MultiPolygon"; coordinates: Ring[][] };

export interface Area extends AreaName {
  parent: string | null;
  geometry: AreaGeometry | null;
}

export interface Camera {
  camera_id: string;
  name: string;
  area_code: string | null;
  longitude: number | null;
  latitude: number | null;
  place_class: string;
  /** Where it looks, degrees clockwise from north; null: not known, or it turns. */
  bearing_deg: number | null;
  field_of_view_deg: number | null;
  node_id: string | null;
  state: string | null;
  state_since: string | null;
  problem: string | null;
}

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

/** One thing in a seat's queue: an incident, or several alike that open as one. */
export interface SeatRow {
  row_id: string;
  kind: "alone" | "batch" | "sent";
  hazard: string;
  area: AreaName & { path: AreaName[] };
  severity: Severity;
  began_at: string;
  shown_at: string | null;
  show_by: string;
  due_at: string | null;
  incident_ids: string[];
}

/** Whether the centre takes it that somebody is at this seat. */
export interface Presence {
  /** This person is on duty at a desk: the centre listens for the page. */
  counts: boolean;
  tell_every_s: number;
  unstaffed_after_s: number;
  unstaffed_since: string | null;
}

/** Who has a case open that waits for a desk. It forbids nobody anything. */
export interface Claim {
  incident_id: string;
  by: { user_id: string; display_name: string; role: Role };
  since: string;
  /** Whether it still stands is to be asked again then: renewals are not told. */
  lapses_in_s: number;
}

/** Somebody looked up more within an hour than the norm, beyond the own queue and tasks. */
export interface BulkRead {
  alarm_id: string;
  at: string;
  person: { user_id: string; username: string; display_name: string; role: Role };
  cases: number;
  pictures: number;
  norm: number;
}

/** A desk with seats that count as unstaffed; with `staffed` 0 its queue has risen. */
export interface SilentDesk {
  area: AreaName;
  since: string;
  unstaffed: number;
  staffed: number;
}

export interface Seat {
  /** False: this centre deals nothing, everybody sees one list. */
  is_dealt: boolean;
  rows: SeatRow[];
  waiting: { incidents: number; first_due_at: string | null; rows: SeatRow[] };
  /** Null: this centre does not count who is at a seat. */
  presence: Presence | null;
  silent_desks: SilentDesk[];
}

export interface IncidentName {
  incident_id: string;
  number: string;
}

export interface Worker {
  user_id: string;
  display_name: string;
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

/** What somebody has asked for and a second person decides. */
interface Requested {
  /** The worker has asked, and nobody in that one's place. */
  by_worker: boolean;
  task_id: string;
  reason_code: string;
  /** Null where it was spoken. */
  note: string | null;
  voices?: string[];
  until: string;
  asked_at: string;
  asked_by: string;
  decide_by: string;
  decided_at?: string;
  decided_by?: string;
  decision_note?: string | null;
  ended_at?: string;
  ended_by?: string;
  /** The move that ended it. */
  ended_why?: string;
}

/** A task waits until a date because two people say so, or somebody has asked for it. */
export interface Suspension extends Requested {
  standing: "asked" | "suspended" | "refused" | "lapsed" | "taken_back" | "over";
}

/** The limit to arrive is `until` because two people say so, or somebody has asked for it. */
export interface LaterLimit extends Requested {
  standing: "asked" | "moved" | "refused" | "lapsed" | "taken_back" | "over";
  due_before: string;
  /** When it was due before anybody moved it. */
  first_due_at: string;
  /** The how-many-th time it is. */
  times: number;
}

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

/** Somebody who could be handed a task. */
export interface Candidate {
  worker: Worker;
  role: Role;
  area: AreaName;
  duty: "on_duty" | "off_duty" | "on_leave";
  in_hand: number;
}

export interface Candidates {
  area: AreaName;
  recommended: Candidate | null;
  items: Candidate[];
  is_cut: boolean;
}

/** Whom *confirm* would send, and the managing unit that would be told before; all null: it does not wait for a judgement. */
export interface Recommended {
  recommended: Pick<Candidate, "worker" | "role" | "area"> | null;
  why: Why;
  unit: string | null;
}

/** Where a task went that an operator handed on. */
export interface HandedOn {
  at: string;
  role: Role | null;
  area: AreaName;
  reason_code: string | null;
}

export type TaskState = "offered" | "taken" | "arrived" | "handled" | "withdrawn" | "refused" | "closed";
export type TaskMoveName = "take" | "arrive" | "handled" | "refuse" | "return" | "check_in" | "help" | "message" | "ask_suspension" | "take_back_suspension" | "resume" | "ask_later_limit" | "take_back_later_limit";

export interface TaskBrief {
  task_id: string;
  state: TaskState;
  worker: Worker | null;
  help?: HelpCall | null;
  checked_in?: CheckIn | null;
  /** A desk has handed the task on: who had it before. */
  handed_on_from?: Worker | null;
  version?: number;
}

/** A worker's last call for help on a task; `answer`: who comes, null while nobody has said. */
export interface HelpCall {
  reason_code: string | null;
  note: string | null;
  asked_at: string;
  where: CheckIn | null;
  /** No desk from here up has anybody: nobody has a notice of it. */
  told_nobody?: boolean;
  answer: { reason_code: string | null; note: string | null; at: string; by: string } | null;
}

/** What a worker's last check-in says; null: the camera has no registered position. */
export interface CheckIn {
  at: string;
  distance_m: number | null;
  accuracy_m: number;
  age_s: number;
  is_inaccurate: boolean;
}

/** A position that the worker tells on purpose, WGS84, and how well the phone knew it. */
export interface Fix {
  longitude: number;
  latitude: number;
  accuracy_m: number;
  age_s: number;
}

/** Where a phone was, coarse: about 100 m. */
export interface Near {
  longitude: number;
  latitude: number;
}

export interface Task {
  task_id: string;
  incident_id: string;
  state: TaskState;
  worker: Worker | null;
  area: AreaName;
  offered_at: string;
  taken_at: string | null;
  arrived_at: string | null;
  handled_at: string | null;
  limits: {
    take_due_at: string | null;
    arrive_due_at: string | null;
    take_counts?: HoursCounted | null;
    arrive_counts?: HoursCounted | null;
  };
  photos: { sha256: string; at: string }[];
  /** Voice notes, and with which move each came. */
  voices?: { sha256: string; at: string; move: TaskMoveName }[];
  note: string | null;
  help?: HelpCall | null;
  checked_in?: CheckIn | null;
  looked_again?: LookedAgain | null;
  /** An operator has given it to another person. */
  handed_on?: HandedOn | null;
  /** Of a task that is asked for by itself: the lanes that its cameras watch, the number whole for who has the task. */
  lanes?: CaseLane[];
  /** Of a task that is asked for by itself: hashes of what was photographed for reports of its case, for who has it. */
  report_photos?: string[];
  version: number;
  incident: Incident;
}

/** What the camera said after *handled*; `not_asked`: why nobody could ask it, a code. */
export interface LookedAgain {
  at: string;
  not_asked: string | null;
  says: Says | null;
  why: string | null;
  share: number | null;
  count: number | null;
  unit: string | null;
  /** Masked; it arrives after the words. */
  still: Picture | null;
}

export interface FleetNode {
  node_id: string;
  state: string;
  last_seen_at?: string | null;
  backlog?: { records: number | null; empty_since: string | null };
  data_missing?: { records: number; found_at: string | null };
  cloned_at?: string | null;
  cameras?: { camera_id: string; state: string | null }[];
}

export interface Fleet {
  nodes: FleetNode[];
}

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

/** RFC 9457. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  code?: string;
  [extra: string]: unknown;
}

export type CentreEvent =
  | { kind: "incident"; incident: Incident }
  | { kind: "task"; task: Task }
  | { kind: "camera"; camera: Camera }
  /** It belongs to another area now; who sees that as well is told of the camera next. */
  | { kind: "camera_gone"; camera_gone: { camera_id: string } }
  | { kind: "node"; node: FleetNode }
  | { kind: "silence"; silence: Silence }
  | { kind: "calendar_proposal"; calendar_proposal: CalendarProposal }
  /** To this person only. */
  | { kind: "notice"; notice: { notice_id: string; kind: string; params: Record<string, unknown> } }
  | { kind: "camera_rules"; camera_rules: { camera_id: string } }
  /** A seat of this desk counts as unstaffed since then, or (null) is staffed again. */
  | { kind: "seat"; seat: { desk: AreaName; unstaffed_since: string | null } }
  /** A note was written or acknowledged; the list of notes says what it is. */
  | { kind: "hand_over"; hand_over: { hand_over_id: string; area_code: string } }
  /** Somebody opened this case or took it over, or (by: null) closed it. */
  | { kind: "claim"; claim: Claim | { incident_id: string; by: null } }
  /** To the audit administrator: somebody has looked up more than the norm. */
  | { kind: "bulk_read"; bulk_read: { alarm_id: string; at: string } }
  | { kind: "hello" }
  /** All that a wall is told: something of what it shows is another. */
  | { kind: "changed" }
  /** Too much was missed to replay: read the lists again. */
  | { kind: "reload" };
