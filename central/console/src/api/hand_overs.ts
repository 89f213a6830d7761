/** Notes by which a shift hands over to the next. */
import { get, post, put } from "./http.ts";
import type { AreaName, Severity } from "./types.ts";

interface Listed<Item> {
  total: number;
  items: Item[];
}

export interface HandedIncident {
  incident_id: string;
  number: string;
  hazard: string;
  severity: Severity;
  state: string;
  drill: boolean;
  camera_name: string;
  area: AreaName;
  clock: { kind: string; due_at: string; breached: boolean } | null;
}

export interface HandedKeptOpen {
  incident_id: string;
  number: string;
  hazard: string;
  camera_name: string;
  holder_unit: string;
  deadline: string;
  is_over: boolean;
}

export interface Facts {
  at: string;
  /** End of the next shift: what is due until then is told. */
  until: string;
  incidents: Listed<HandedIncident> & { by_state: Record<string, number> };
  silences: Listed<{ silence_id: string; area: AreaName; hazard: string | null; reason: string; ends_at: string }>;
  nodes: Listed<{ node_id: string; state: string; state_since: string | null }>;
  cameras: Listed<{ camera_id: string; name: string; state: string; state_since: string | null }>;
  kept_open: Listed<HandedKeptOpen>;
}

export interface HandOver {
  hand_over_id: string;
  area: AreaName;
  /** Of exactly the asker's own area. */
  is_own_desk: boolean;
  written_at: string;
  written_by: string;
  words: string;
  acknowledged_at: string | null;
  acknowledged_by: string | null;
  may_acknowledge: boolean;
  facts?: Facts;
}

const of = (noteId: string): string => `/api/hand-overs/${encodeURIComponent(noteId)}`;

export const handOvers = {
  newest: () => get<{ items: HandOver[] }>("/api/hand-overs"),
  draft: () => get<{ facts: Facts }>("/api/hand-overs/draft"),
  one: (noteId: string) => get<HandOver>(of(noteId)),
  write: (noteId: string, words: string) => put<HandOver>(of(noteId), { words }),
  acknowledge: (noteId: string) => post<HandOver>(`${of(noteId)}/acknowledgement`, {}),
};
