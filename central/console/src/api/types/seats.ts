/** The seats of a desk: what is dealt to them, and who is there. */
import type { Role } from "./accounts.ts";
import type { AreaName } from "./areas.ts";
import type { Severity } from "./incidents.ts";

/** One thing in a seat's queue: an incident, or several alike that open as one. */
export interface SeatRow {
  row_id: string;
  kind: "alone" | "batch" | "sent";
  hazard: string;
  area: AreaName & { path: AreaName[] };
  severity: Severity;
  began_at: string;
  shown_at: string | null;
  show_by: string;
  due_at: string | null;
  incident_ids: string[];
}

/** Whether the centre takes it that somebody is at this seat. */
export interface Presence {
  /** This person is on duty at a desk: the centre listens for the page. */
  counts: boolean;
  tell_every_s: number;
  unstaffed_after_s: number;
  unstaffed_since: string | null;
}

/** Who has a case open that waits for a desk. It forbids nobody anything. */
export interface Claim {
  incident_id: string;
  by: { user_id: string; display_name: string; role: Role };
  since: string;
  /** Whether it still stands is to be asked again then: renewals are not told. */
  lapses_in_s: number;
}

/** A desk with seats that count as unstaffed; with `staffed` 0 its queue has risen. */
export interface SilentDesk {
  area: AreaName;
  since: string;
  unstaffed: number;
  staffed: number;
}

export interface Seat {
  /** False: this centre deals nothing, everybody sees one list. */
  is_dealt: boolean;
  rows: SeatRow[];
  waiting: { incidents: number; first_due_at: string | null; rows: SeatRow[] };
  /** Null: this centre does not count who is at a seat. */
  presence: Presence | null;
  silent_desks: SilentDesk[];
}
