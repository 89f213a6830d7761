/** How the way of an alert stands now; loaded with the pages of a desk. */
import { get } from "./http.ts";
import type { Wall } from "./wall.ts";

export interface Standing {
  at: string;
  proof: Wall["proof"];
  /** Of the alerts of the last minutes, from a rule's decision to their receipt; null: none came. */
  lag: { median_s: number; alerts: number } | null;
  held: { incidents: number; alerts: number };
  silences_ending: { count: number; first_at: string | null; within_s: number };
}

export const standing = {
  read: (area: string | null) =>
    get<Standing>(`/api/standing${area ? `?${new URLSearchParams({ area }).toString()}` : ""}`),
};
