/** Calls and types of what no camera has raised; loaded with the page that shows it. */
import { get, post } from "./http.ts";
import type { AreaName, Severity, Why } from "./types.ts";

export interface NearCamera {
  camera_id: string;
  name: string;
  distance_m: number;
  /** From the camera to the place, clockwise from north. */
  bearing_deg: number;
  /** By the register; null or missing: it does not know. */
  looks_there?: boolean | null;
}

export interface Sighting {
  sighting_id: string;
  channel: "sensor" | "worker" | "resident";
  by_name: string;
  hazard: string;
  severity: Severity;
  drill: boolean;
  longitude: number;
  latitude: number;
  text: string;
  area: AreaName;
  seen_at: string;
  received_at: string;
  /** Null: hidden by a silence, or outside the own areas. */
  incident: { incident_id: string; number: string; state: string; close_reason: string | null } | null;
  cameras: NearCamera[];
  missed_by: { camera_id: string; rule_id: string }[];
  /** There is a number to call until then. */
  call_back_until: string | null;
  /** Of the place, as a worker's phone told it. */
  accuracy_m: number | null;
  photos: string[];
  voices: string[];
}

export interface Missed {
  sighting_id: string;
  camera_id: string;
  rule_id: string;
  hazard: string;
  distance_m: number;
  seen_at: string;
  spoke_after_all: boolean;
  closed_as: string | null;
}

export interface Source {
  source_id: string;
  name: string;
  area_code: string;
  /** Where it publishes, if it speaks MQTT. */
  topic: string;
  disabled: boolean;
  registered_at: string;
  last_heard_at: string | null;
}

export interface Nearby {
  incidents: { incident_id: string; number: string; severity: Severity; state: string; camera_name: string; distance_m: number; opened_at: string }[];
  cameras: NearCamera[];
}

export interface NewSighting {
  hazard: string;
  severity: number;
  /** Left out by a worker whose phone knows no position: somewhere in the own area. */
  longitude?: number;
  latitude?: number;
  text: string;
  drill: boolean;
  call_back?: { number: string; hours: number };
  idempotency_key: string;
  /** Of a worker's own report. */
  seen_at?: string;
  accuracy_m?: number;
  photos?: string[];
  voices?: string[];
  same_as?: string;
}

export const sightings = {
  /** Newest first; `cursor` of the page before, null for the first. */
  page: (cursor: string | null) =>
    get<{ items: Sighting[]; next_cursor: string | null }>(
      `/api/sightings?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`,
    ),
  nearby: (hazard: string, longitude: number, latitude: number) =>
    get<Nearby>(`/api/sightings/nearby?hazard=${encodeURIComponent(hazard)}&longitude=${longitude}&latitude=${latitude}`),
  /** Without a position: the newest of the own area. */
  inArea: (hazard: string) => get<Nearby>(`/api/sightings/nearby?hazard=${encodeURIComponent(hazard)}`),
  /** What this worker reported, newest first. */
  own: () => get<{ items: Sighting[] }>("/api/sightings/own"),
  report: (body: NewSighting) => post<Sighting & { why_folded: Why }>("/api/sightings", body),
  /** Each view is a record of the audit chain. */
  callBack: (sightingId: string) =>
    get<{ number: string; until: string }>(`/api/sightings/${encodeURIComponent(sightingId)}/call-back`),
  missed: () => get<{ items: Missed[] }>("/api/missed-hazards?limit=200"),
  sources: () => get<{ sources: Source[]; refused: Record<string, number>; refused_over_mqtt: Record<string, number> }>("/api/intake/sources"),
};
