/** Moves of a hazard that is kept open: docs/hazards-kept-open.md. */
import { post } from "./http.ts";
import type { IncidentDetail, Level } from "./types.ts";

export type KeepMove = "keep_open" | "replan" | "follow_up" | "ask_extension" | "extend" | "refuse_extension" | "write_off";

/** 五到位; the deadline stands beside it. */
export interface KeepPlan {
  level: Level;
  holder: string;
  holder_unit: string;
  measures: string;
  funds: string;
  plan: string;
}

export interface Keeping {
  move: KeepMove;
  version: number;
  note?: string;
  plan?: KeepPlan;
  deadline?: string;
  photos?: string[];
  idempotency_key: string;
}

export const keepOpen = (incidentId: string, body: Keeping) =>
  post<IncidentDetail>(`/api/incidents/${encodeURIComponent(incidentId)}/kept-open`, body);
