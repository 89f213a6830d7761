/** Calls and types of the rules pages; loaded with them. */
import type { AreaName } from "./types.ts";
import { get, post } from "./http.ts";

export type RulesStateName = "unknown" | "as_node" | "waiting" | "in_force" | "refused" | "drifted" | "not_taken";
export type VersionStateName = "proposed" | "desired" | "replaced" | "refused" | "withdrawn" | "outdated" | "ran";
export type VersionMove = "approve" | "refuse" | "withdraw";

export interface Standing {
  camera_id: string;
  name: string;
  area_code: string | null;
  node_id: string | null;
  node_state: string | null;
  node_last_seen_at: string | null;
  state: RulesStateName;
  desired_version: number | null;
  running_version: number | null;
  newest_version: number;
  sent_at: string | null;
  waiting_for_second: { version: number; by: string }[];
  problems: number;
}

export interface RuleProblem {
  where: string;
  text: string;
  hint: string;
}

export interface Version {
  version: number;
  state: VersionStateName;
  origin: "centre" | "node";
  digest: string;
  why: string;
  made_at: string;
  by: string;
  restores: number | null;
  /** Made by a version of what an area says for its cameras; null: of this camera alone. */
  level: { code: string; version: number } | null;
  /** Made by this copy of rules to many cameras, or by its roll-back; null: by none. */
  copy: string | null;
  severity_changes: string[];
  decided_at: string | null;
  decided_by: string | null;
  decide_note: string | null;
  sent_at: string | null;
  /** Why the first rules of the camera did not start in the shadow. */
  live_why: string | null;
  moves?: VersionMove[];
}

export interface Reported {
  at: string;
  received_at: string;
  takes_rules: boolean;
  digest: string;
  source: string;
  since: string;
  by: string;
  note: string;
  answer: { version: number; outcome: string; at: string; problems: RuleProblem[]; notes: string[] } | null;
}

/** Settings as they travel: what a rule says is the schema's to know. */
export type Settings = Record<string, unknown> & { rules: Record<string, unknown>[] };

export interface CameraRulesBody {
  camera_id: string;
  node_id: string | null;
  state: RulesStateName;
  newest_version: number;
  desired: Version | null;
  proposed: Version[];
  reported: Reported | null;
}

/** rule_id → setting → the area that it is inherited from. */
export type Inherited = Record<string, Record<string, AreaName>>;
/** hazard → setting → what the areas above say. */
export type LevelsAbove = Record<string, Record<string, { value: unknown; area: AreaName }>>;

/** What the zones are drawn over. */
export interface CameraStill {
  sha256: string;
  frame_size_wh: [number, number] | null;
  observed_at: string;
  /** Somebody asked for it to tune the rules; else it is of an alert. */
  is_asked_for: boolean;
  /** Which view it shows; null: none of them, or nobody knows (`is_view_known`). Of the camera's newest only. */
  view_id?: string | null;
  is_view_known?: boolean;
  /** The small picture, as an address, while the full one is on its way. */
  preview?: string;
}

/** The views of a camera that turns, as its node last told them; none: it stands still. */
export interface ToldViews {
  told_at: string;
  /** `state`: what the node knows of it, a code; null: it does not say. `still`: the newest of it. */
  items: { view_id: string; name: string; state: string | null; still: CameraStill | null }[];
}

export interface CameraRulesNow extends CameraRulesBody {
  name: string;
  may_change: boolean;
  /** May it be analysed; `is_stopped`: no rules are sent for it, and its alerts are held. */
  release: { state: string; missing: string[]; is_stopped: boolean };
  /** What is proposed would be its first rules and start in the shadow, for so long; null: it would not. */
  new_in_shadow_hours: number | null;
  still: CameraStill | null;
  /** null: its node has told none. */
  views: ToldViews | null;
  desired_settings: Settings | null;
  running_settings: Settings | null;
  desired_inherited: Inherited;
  running_inherited: Inherited;
  levels: LevelsAbove;
}

export interface Difference {
  where: string;
  before: unknown;
  after: unknown;
}

export interface Checked {
  settings: Settings;
  /** The same without what is inherited. */
  own: Settings;
  severity_changes: string[];
}

const of = (cameraId: string): string => `/api/cameras/${encodeURIComponent(cameraId)}/rules`;

export const rules = {
  standings: () => get<{ items: Standing[] }>("/api/camera-rules"),
  schema: () => get<unknown>("/api/camera-rules/schema"),
  now: (cameraId: string) => get<CameraRulesNow>(of(cameraId)),
  versions: (cameraId: string, before: number | null) =>
    get<{ items: Version[]; next_before: number | null }>(
      `${of(cameraId)}/versions?limit=30${before === null ? "" : `&before=${before}`}`,
    ),
  version: (cameraId: string, version: number) =>
    get<Version & { settings: Settings; inherited: Inherited }>(`${of(cameraId)}/versions/${version}`),
  /** `from` null: what the camera runs now. */
  diff: (cameraId: string, from: number | null, to: number) =>
    get<{ differences: Difference[] }>(`${of(cameraId)}/diff?to=${to}${from === null ? "" : `&of=${from}`}`),
  check: (cameraId: string, body: { settings: unknown } | { text: string }) =>
    post<Checked>(`${of(cameraId)}/check`, body),
  propose: (
    cameraId: string,
    body: { settings: unknown; why: string; based_on: number; idempotency_key: string; live_why?: string },
  ) => post<Version>(`${of(cameraId)}/versions`, body),
  rollBack: (cameraId: string, body: { version: number; why: string; based_on: number; idempotency_key: string }) =>
    post<Version>(`${of(cameraId)}/rollback`, body),
  move: (cameraId: string, version: number, move: VersionMove, note: string) =>
    post<Version>(`${of(cameraId)}/versions/${version}/moves`, { move, ...(note ? { note } : {}) }),
};
