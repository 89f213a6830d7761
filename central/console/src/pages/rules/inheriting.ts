/** What a rule says itself, and what it takes from the areas above its camera. The centre decides; this shows it. Pure. */
import type { Inherited, LevelsAbove, Settings } from "@/api/rules";

import type { Rule } from "./draft";

/** Which of the two times of a camera fault counts is said by `fault`. */
const OF_FAULT: Record<string, boolean> = { offline_after_s: true, view_after_s: false };

/** Whole settings without what is inherited in them: what a draft begins with. */
export function ownOf(settings: Settings, inherited: Inherited): Settings {
  const rules = settings.rules.map((rule) => {
    const taken = inherited[String(rule["rule_id"])] ?? {};
    return Object.fromEntries(Object.entries(rule).filter(([name]) => !(name in taken)));
  });
  return { ...settings, rules };
}

/** What the areas above say for this rule, setting by setting, whether or not the rule says it itself. */
export function inheritedBy(rule: Rule, levels: LevelsAbove): LevelsAbove[string] {
  const said = Object.entries(levels[rule.hazard] ?? {});
  return Object.fromEntries(said.filter(([name]) => !(name in OF_FAULT) || (rule["fault"] === "offline") === OF_FAULT[name]));
}

/** The rule with what it leaves out and the areas above say. */
export function wholeOf(rule: Rule, levels: LevelsAbove): Rule {
  const taken = Object.entries(inheritedBy(rule, levels)).filter(([name]) => !(name in rule));
  return { ...rule, ...Object.fromEntries(taken.map(([name, one]) => [name, one.value])) };
}
