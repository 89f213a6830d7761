/** What a person asks for when making a silence. Pure. */
import type { NewSilence } from "../../api/calls.ts";
import type { Day, Role, SilenceKind, Weekly } from "../../api/types.ts";

export const DAYS: readonly Day[] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
export type ScopeName = "area_code" | "camera_id" | "node_id";

/** As the centre has it (silences/service.py, MAKERS); it decides again. */
export function kindsOf(role: Role): SilenceKind[] {
  if (role === "supervisor" || role === "admin") return ["silence", "maintenance", "event"];
  if (role === "rule_operator") return ["maintenance", "event"];
  return role === "operator" ? ["silence"] : [];
}

export function scopesOf(kind: SilenceKind): ScopeName[] {
  return kind === "maintenance" ? ["camera_id", "node_id", "area_code"] : ["area_code", "camera_id"];
}

export interface Draft {
  kind: SilenceKind;
  scope: ScopeName;
  place: string;
  hazard: string;
  reason: string;
  /** As `<input type="datetime-local">` gives them: local time of this computer; empty: not given. */
  startsAt: string;
  endsAt: string;
  days: Day[];
  from: string;
  to: string;
}

export function emptyDraft(kind: SilenceKind): Draft {
  const scope = scopesOf(kind)[0] ?? "area_code";
  return { kind, scope, place: "", hazard: "", reason: "", startsAt: "", endsAt: "", days: [], from: "", to: "" };
}

/** Bands are all or nothing: days without times, or times without days, are a form half filled in. */
export function isComplete(draft: Draft): boolean {
  const hasBand = draft.days.length > 0;
  const bandIsWhole = hasBand === Boolean(draft.from) && hasBand === Boolean(draft.to) && (!hasBand || draft.from !== draft.to);
  const needsHazard = draft.kind === "event";
  const isWhole = Boolean(draft.place.trim() && draft.reason.trim() && draft.endsAt);
  return isWhole && (!needsHazard || draft.hazard !== "") && (draft.kind !== "event" || bandIsWhole);
}

export function bodyOf(draft: Draft, key: string): NewSilence {
  const body: NewSilence = {
    kind: draft.kind,
    reason: draft.reason.trim(),
    ends_at: new Date(draft.endsAt).toISOString(),
    idempotency_key: key,
  };
  body[draft.scope] = draft.place.trim();
  if (draft.startsAt) body.starts_at = new Date(draft.startsAt).toISOString();
  if (draft.hazard && draft.kind !== "maintenance") body.hazard = draft.hazard;
  if (draft.kind === "event" && draft.days.length > 0) {
    body.weekly = { bands: [{ days: DAYS.filter((day) => draft.days.includes(day)), start: draft.from, until: draft.to }] };
  }
  return body;
}

/** "Mon Tue 22:00–02:00"; `dayWord` says a day in the language of the page. */
export function weeklyText(weekly: Weekly, dayWord: (day: Day) => string): string {
  return weekly.bands.map((band) => `${band.days.map(dayWord).join(" ")} ${band.start}–${band.until}`).join(" · ");
}
