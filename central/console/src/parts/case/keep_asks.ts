/** What each move of a hazard kept open asks for. Pure. */
import type { KeepMove } from "../../api/keeping.ts";

export interface Asks {
  plan: boolean;
  deadline: boolean;
  /** "must": the centre refuses the move without it. */
  note: "must" | "may" | "no";
  photos: boolean;
}

export const ASKS: Record<KeepMove, Asks> = {
  keep_open: { plan: true, deadline: true, note: "no", photos: false },
  replan: { plan: true, deadline: false, note: "must", photos: false },
  follow_up: { plan: false, deadline: false, note: "must", photos: true },
  ask_extension: { plan: false, deadline: true, note: "must", photos: false },
  extend: { plan: false, deadline: false, note: "may", photos: false },
  refuse_extension: { plan: false, deadline: false, note: "must", photos: false },
  write_off: { plan: false, deadline: false, note: "must", photos: true },
};

export const MAX_PHOTOS = 12;

/** The last second of a day of this computer's calendar, "2026-12-31", as a moment; "": no such day. */
export function endOfDay(day: string): string {
  const at = new Date(`${day}T23:59:59`);
  return Number.isNaN(at.getTime()) ? "" : at.toISOString();
}
