/** Calls and types of the release of cameras for analysis; loaded with the page that shows it. */
import { get, post } from "./http.ts";

export type ReleaseState = "released" | "incomplete" | "unsigned" | "changed" | "withdrawn" | "expired" | "unregistered";

/** What is signed for; days as "2026-05-01". */
export interface Entries {
  purpose: string;
  legal_basis: string;
  signed_on: string;
  approved_view: string;
  view_approved_on: string;
  review_by: string | null;
}

export interface Release {
  camera_id: string;
  name: string;
  area_code: string | null;
  purpose: string | null;
  legal_basis: string | null;
  signed_on: string | null;
  approved_view: string | null;
  view_approved_on: string | null;
  review_by: string | null;
  state: ReleaseState;
  missing: string[];
  released_at: string | null;
  released_by: string | null;
  withdrawn_at: string | null;
  withdrawn_by: string | null;
  withdrawn_why: string | null;
  held_alerts: number;
  may_sign: boolean;
}

export interface Releases {
  mode: "enforce" | "tell";
  cameras: number;
  released: number;
  held_alerts: number;
  /** Cameras that are not in the register and whose alerts are held. */
  unregistered: { camera_id: string; held_alerts: number }[];
  items: Release[];
  next_after: string | null;
}

const of = (cameraId: string): string => `/api/cameras/${encodeURIComponent(cameraId)}/release`;

export const releases = {
  /** By id; `after` of the page before, "" for the first. */
  page: (only: "all" | "not_released", after: string) =>
    get<Releases>(`/api/camera-releases?only=${only}&limit=100&after=${encodeURIComponent(after)}`),
  sign: (cameraId: string, entries: Entries) => post<Release>(of(cameraId), entries),
  withdraw: (cameraId: string, why: string) => post<Release>(`${of(cameraId)}/withdrawal`, { why }),
};
