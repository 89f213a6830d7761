/** Which moves need a reason, and the reasons to choose from; the codes are translated under "reasonCode.". */
import type { AsideName, MoveName, RegroupName, TaskMoveName } from "@/api/types";

import { saysLongNumber } from "../long_number.ts";

export const REASONS: Partial<Record<MoveName | TaskMoveName | RegroupName | AsideName, string[]>> = {
  false_alarm: ["shadow_or_light", "wrong_object", "outside_zone", "just_passing", "view_moved", "other"],
  permitted: ["registered_work", "emergency_vehicle", "approved_event", "other"],
  duplicate: ["same_incident", "other"],
  close: ["checked_on_site", "checked_on_picture", "handed_over", "other"],
  reopen: ["came_back", "closed_in_error", "other"],
  merge: ["same_thing", "same_cause", "other"],
  split: ["another_thing", "grouped_in_error", "other"],
  refuse: ["not_on_duty", "busy_elsewhere", "not_my_grid", "other"],
  return: ["cannot_handle", "not_my_grid", "busy_elsewhere", "other"],
  help: ["danger", "need_hands", "need_tow", "need_authority", "not_let_in", "other"],
  ask_suspension: ["weather", "no_access", "owner_away", "equipment", "other_authority", "unsafe", "other"],
  raise_severity: ["people_at_risk", "spreading", "blocks_rescue", "worse_than_told", "other"],
  transfer: ["busy_elsewhere", "cannot_handle", "not_my_grid", "not_on_duty", "does_not_answer", "other"],
  answer_help: ["colleague_comes", "police_come", "fire_brigade_comes", "tow_comes", "unit_comes", "nobody_now", "other"],
};

/** "Other" says nothing by itself: it asks for words. */
export function needsNote(reasonCode: string): boolean {
  return reasonCode === "other";
}

/** Whether the words that go with a reason are there where they must be, and are such as the centre takes. */
export function areWordsFine(reasonCode: string, note: string): boolean {
  return !saysLongNumber(note) && (!needsNote(reasonCode) || note.trim() !== "");
}

/** On `handled`: the worker stood there and saw no hazard. The centre wants a photograph with it. */
export const NOTHING_HERE = "nothing_here";
