/** What a wall of screens is told; loaded with its page. No person is in any of it. */
import { get } from "./http.ts";
import type { AreaName, Clock, HoursCounted, Severity } from "./types.ts";

export interface WallClock {
  kind: Clock["kind"];
  started_at: string;
  due_at: string;
  breached: boolean;
  counts?: HoursCounted | null;
}

export interface WallRow {
  incident_id: string;
  number: string;
  hazard: string;
  severity: Severity;
  state: string;
  drill: boolean;
  place: string;
  area: AreaName | null;
  opened_at: string;
  clock: WallClock | null;
}

export interface WallPlace {
  longitude: number;
  latitude: number;
  severity: Severity;
  state: string;
  drill: boolean;
  area_code: string;
}

export interface Wall {
  area: AreaName;
  at: string;
  counts: { states: Record<string, number>; severities: Record<string, number>; late: number; drills: number };
  /** `total` is without drills, which stand in the list all the same. */
  urgent: { total: number; items: WallRow[] };
  places: WallPlace[];
  health: {
    nodes: { all: number; online: number };
    cameras: { all: number; ok: number; faulty: number; unknown: number };
    backlog: number;
    missing: number;
  };
  /** The newest alert that came all the way from a camera; null: none of this area is among the centre's newest. */
  proof: { at: string; way_s: number; drill: boolean } | null;
}

export const wall = {
  read: (area: string) => get<Wall>(`/api/wall${area ? `?${new URLSearchParams({ area }).toString()}` : ""}`),
};
