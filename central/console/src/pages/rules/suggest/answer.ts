/** The node's proposals as a person looks at them, and whether one can still be put into the draft. Pure. */
import type { Proposal, SuggestionsAnswer, Whole } from "@/api/suggestions";

import { sameAs, type Rule } from "../draft.ts";
import { drawnValue } from "../shapes.ts";
import type { Point } from "../zones.ts";
import { quietened, type Band } from "./week.ts";

export interface Found {
  whole: Whole;
  proposals: Proposal[];
  /** By alert: where the lost ones can be looked at. */
  incidentOf: Map<string, string>;
}

export function readSuggestions(answer: SuggestionsAnswer): Found | null {
  const whole = answer.rows.find((row) => row.kind === "suggestions") as Whole | undefined;
  if (!whole) return null;
  const proposals = answer.rows.filter((row): row is Proposal => row.kind === "proposal");
  return { whole, proposals, incidentOf: new Map(answer.record.map((one) => [one.alert_id, one.incident_id])) };
}

/** What a proposal changes of a rule, by how it is best told. */
export interface Changes {
  /** Parts of the picture that would count no more, beside those of the rule. */
  zones: Point[][];
  /** Hours in which the rule would raise nothing any more. */
  hours: Band[];
  settings: { name: string; before: unknown; after: unknown }[];
}

export function changesOf(rule: Rule, proposal: Proposal): Changes {
  const found: Changes = { zones: [], hours: [], settings: [] };
  for (const [name, after] of Object.entries(proposal.settings)) {
    const before = rule[name];
    if (name === "exclude_zones") found.zones = excludedIn(after).slice(excludedIn(before).length);
    else if (name === "schedule") found.hours = quietened(before, after);
    else found.settings.push({ name, before, after });
  }
  return found;
}

export const excludedIn = (value: unknown): Point[][] => drawnValue("exclude_zones", value).map((one) => one.points);

/** "changed": what it would replace is not any more what it was found for. */
export type Taking = "free" | "taken" | "changed";

/** `asked`: the rule that was asked about. `rule`: as it stands in the draft now. */
export function takingOf(asked: Rule, rule: Rule, proposal: Proposal): Taking {
  const names = Object.keys(proposal.settings);
  if (asked.rule_id !== rule.rule_id || asked.hazard !== rule.hazard) return "changed";
  if (names.every((name) => sameAs(rule[name], proposal.settings[name]))) return "taken";
  return names.every((name) => sameAs(rule[name] ?? null, asked[name] ?? null)) ? "free" : "changed";
}
