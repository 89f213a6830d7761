/** Tasks, and the people who have them. */
import type { Says } from "../looks.ts";
import type { Role } from "./accounts.ts";
import type { AreaName } from "./areas.ts";
import type { CaseLane, HoursCounted, Incident, Picture, Why } from "./incidents.ts";

export interface Worker {
  user_id: string;
  display_name: string;
}

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
