/** The draft in somebody's hand: what it says now, which of its rules is looked at, and the way back. */
import { computed, ref, shallowRef, watch } from "vue";

import { randomId } from "@/api/random_id";

import { begun, blankRule, changed, redone, sameAs, touched, undone, withSetting } from "./draft";
import type { Rule, RuleSettings } from "./draft";

/** `key`: of one attempt to propose; another one once the draft says something else. */
export function useDraft(start: RuleSettings) {
  const history = shallowRef(begun<RuleSettings>(start));
  const index = ref(0);
  /** Goes up whenever a rule is chosen: what of it was looked at is forgotten. */
  const turn = ref(0);
  const key = ref(randomId());

  const draft = computed(() => history.value.now);
  const rule = computed<Rule | null>(() => draft.value.rules[index.value] ?? null);
  const before = computed(() => start.rules.find((one) => one.rule_id === rule.value?.rule_id) ?? null);
  const isSame = computed(() => sameAs(draft.value, start));
  const changedRules = computed(() => touched(start, draft.value));
  const canUndo = computed(() => history.value.past.length > 0);
  const canRedo = computed(() => history.value.future.length > 0);

  function set(settings: RuleSettings, joined = false): void {
    history.value = changed(history.value, settings, joined);
    key.value = randomId();
  }

  function setRule(changedRule: Rule, joined = false): void {
    set({ ...draft.value, rules: draft.value.rules.map((one, at) => (at === index.value ? changedRule : one)) }, joined);
  }

  function setSetting(name: string, value: unknown, joined = false): void {
    if (rule.value) setRule(withSetting(rule.value, name, value), joined);
  }

  function choose(at: number): void {
    index.value = at;
    turn.value += 1;
  }

  function add(hazard: string): void {
    if (!hazard) return;
    set({ ...draft.value, rules: [...draft.value.rules, blankRule(hazard, draft.value.rules.map((one) => one.rule_id))] });
    choose(draft.value.rules.length - 1);
  }

  function removeRule(): void {
    set({ ...draft.value, rules: draft.value.rules.filter((_, at) => at !== index.value) });
    choose(Math.max(0, index.value - 1));
  }

  function undo(): void {
    history.value = undone(history.value);
    key.value = randomId();
  }

  function redo(): void {
    history.value = redone(history.value);
    key.value = randomId();
  }

  watch(
    () => draft.value.rules.length,
    (count) => (index.value = Math.min(index.value, Math.max(0, count - 1))),
  );

  return {
    ...{ draft, index, turn, key, rule, before, isSame, changedRules, canUndo, canRedo },
    ...{ set, setRule, setSetting, choose, add, removeRule, undo, redo },
  };
}
