/** Calls and types of the page of versions that wait for a second person; loaded with it. */
import { get, post } from "./http.ts";
import type { Version, VersionMove } from "./rules.ts";

export interface WaitingVersion extends Version {
  camera_id: string;
  name: string;
  area_code: string | null;
  /** Rules that would leave the shadow, by their ids. */
  promotes: string[];
  moves: VersionMove[];
}

export interface Decided {
  camera_id: string;
  version: number;
  outcome: "done" | "conflict" | "refused" | "not_found";
  code?: string;
  detail?: string;
}

export const waitingRules = {
  /** The oldest first; `count`: of all, also of those that are not listed. */
  list: () => get<{ items: WaitingVersion[]; count: number }>("/api/camera-rules/waiting"),
  decide: (items: { camera_id: string; version: number }[], move: "approve" | "refuse", note: string) =>
    post<{ results: Decided[] }>("/api/camera-rules/decisions", { items, move, note }),
};
