/** Calls and types of the noise board; loaded with its page. */
import { get } from "./http.ts";
import type { AreaName } from "./types.ts";

export const SPANS = ["shift", "day", "week", "month"] as const;
export type Span = (typeof SPANS)[number];
export type Order = "number" | "share";

/** `why`: the figures it follows from; the words are the page's. */
export interface Suggestion {
  change: string;
  why: Record<string, number | string>;
}

export interface Place {
  camera_id: string;
  camera_name: string;
  is_registered: boolean;
  area: AreaName | null;
}

/** `false_share` of those judged true or false; null: none was. */
export interface NoisyCamera extends Place {
  incidents: number;
  alerts: number;
  repeats: number;
  peak: number;
  true: number;
  false: number;
  permitted: number;
  nothing_here: number;
  unjudged: number;
  false_share: number | null;
  last_raised_at: string;
}

export interface NoisyRule extends NoisyCamera {
  rule_id: string;
  hazard: string;
  suggestions: Suggestion[];
}

export interface FlappingRule extends NoisyRule {
  flap_count: number;
  flap_window_s: number;
  is_flapping: boolean;
}

export interface SilentRule extends Place {
  rule_id: string;
  hazard: string;
  since: string;
  scheduled: boolean;
  suggestions: Suggestion[];
}

export interface Board {
  area: AreaName;
  span: Span;
  from: string;
  to: string;
  order: Order;
  rows_at_most: number;
  cameras: NoisyCamera[];
  rules: NoisyRule[];
  flapping: FlappingRule[];
  never: { total: number; younger: number; items: SilentRule[] };
  events_behind: number;
}

export const noise = {
  board: (area: string, span: Span, order: Order) =>
    get<Board>(`/api/noise?${new URLSearchParams({ ...(area ? { area } : {}), span, order }).toString()}`),
};
