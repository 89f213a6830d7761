/** Calls and types of what areas say for the rules of their cameras; loaded with that page. */
import { get, post } from "./http.ts";
import type { Difference, LevelsAbove, VersionMove } from "./rules.ts";
import type { AreaName } from "./types.ts";

/** hazard → setting → value. */
export type LevelSettings = Record<string, Record<string, unknown>>;
export type LevelStateName =
  | "proposed"
  | "trying"
  | "desired"
  | "replaced"
  | "refused"
  | "withdrawn"
  | "outdated"
  | "rolled_back";

export interface LevelVersion {
  version: number;
  state: LevelStateName;
  why: string;
  made_at: string;
  by: string;
  restores: number | null;
  severity_changes: string[];
  decided_at: string | null;
  decided_by: string | null;
  decide_note: string | null;
  spreading: boolean;
  spread_at: string | null;
  changed: number;
  left_out: Record<string, string>;
}

export type LevelVersionWhole = LevelVersion & { settings: LevelSettings; moves: VersionMove[] };

export interface LevelNow {
  area: AreaName;
  newest_version: number;
  desired: (LevelVersion & { settings: LevelSettings }) | null;
  proposed: LevelVersionWhole | null;
  above: LevelsAbove;
  names: Record<string, string[]>;
  may_change: boolean;
}

export interface Effect {
  camera_id: string;
  name: string;
  left_out: string | null;
  differences: Difference[];
  severities: string[];
  problems: string[];
}

export interface LevelPreview {
  cameras: number;
  changed: number;
  left_out: Record<string, number>;
  waiting: number;
  severities: string[];
  shown: Effect[];
}

export interface LevelInList {
  area_code: string;
  area: AreaName | null;
  desired: LevelVersion | null;
  waiting: LevelVersion[];
}

/** What must hold while it is tried; shares are of the canary's cameras. */
export interface Band {
  most_ratio: number;
  least_ratio: number;
  least_difference: number;
  most_faulty: number;
  most_refused: number;
  most_slower: number;
  slower_ratio: number;
  most_missing: number;
}

export interface CanaryAsked {
  cameras: string[];
  share: number;
  seed: string;
  hours: number;
  promotes_itself: boolean;
  band?: Partial<Band>;
}

export interface Figures {
  watched_h: number;
  cameras: number;
  in_force: number;
  refused: number;
  faulty: number;
  slower: number;
  missing: number;
  alerts: number;
  before: number;
  others: number;
  others_before: number;
  trend: number;
  expected: number;
}

export type CanaryStateName = "planned" | "begun" | "watched" | "held" | "promoted" | "rolled_back" | "ended";
export type CanaryMove = "promote" | "roll_back";

/** What is tried on some cameras first, whatever it is. */
export interface Trial {
  state: CanaryStateName;
  hours: number;
  promotes_itself: boolean;
  band: Band;
  hazards: string[];
  figures: Figures | null;
  /** The fewest and the most alerts that are in the band, of these figures. */
  alerts_between: [number, number] | null;
  reasons: { code: string; seen: number; limit: number }[];
  began_at: string | null;
  ends_at: string | null;
  looked_at: string | null;
  ended_at: string | null;
  ended_by: string | null;
  cameras: string[];
  moves: CanaryMove[];
}

export interface Canary extends Trial {
  version: number;
}

const of = (areaCode: string): string => `/api/rule-defaults/${encodeURIComponent(areaCode)}`;

export const ruleLevels = {
  list: () => get<{ items: LevelInList[] }>("/api/rule-defaults"),
  now: (areaCode: string) => get<LevelNow>(of(areaCode)),
  versions: (areaCode: string) => get<{ items: LevelVersionWhole[] }>(`${of(areaCode)}/versions?limit=30`),
  check: (areaCode: string, settings: LevelSettings) => post<LevelPreview>(`${of(areaCode)}/check`, { settings }),
  propose: (
    areaCode: string,
    body: {
      settings: LevelSettings;
      why: string;
      based_on: number;
      idempotency_key: string;
      canary?: CanaryAsked;
    },
  ) => post<LevelVersionWhole>(`${of(areaCode)}/versions`, body),
  rollBack: (areaCode: string, body: { version: number; why: string; based_on: number; idempotency_key: string }) =>
    post<LevelVersionWhole>(`${of(areaCode)}/rollback`, body),
  canaries: (areaCode: string) => get<{ items: Canary[] }>(`${of(areaCode)}/canaries?limit=10`),
  moveCanary: (areaCode: string, version: number, move: CanaryMove) =>
    post<LevelVersionWhole>(`${of(areaCode)}/canaries/${version}/moves`, { move }),
  move: (areaCode: string, version: number, move: VersionMove, note: string) =>
    post<LevelVersionWhole>(`${of(areaCode)}/versions/${version}/moves`, { move, ...(note ? { note } : {}) }),
};
