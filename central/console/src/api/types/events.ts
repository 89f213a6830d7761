/** What the stream of events tells, and how a call is refused. */
import type { AreaName, Camera } from "./areas.ts";
import type { FleetNode } from "./fleet.ts";
import type { Incident } from "./incidents.ts";
import type { Claim } from "./seats.ts";
import type { CalendarProposal, Silence } from "./silences.ts";
import type { Task } from "./tasks.ts";

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
