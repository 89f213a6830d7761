/** What the centre says of a draft while it is made. */
import { onBeforeUnmount, shallowRef, watch, type Ref } from "vue";

import { ApiProblem } from "@/api/http";
import { rules, type RuleProblem } from "@/api/rules";

import { asked, type RuleSettings } from "./draft";

/** The centre is asked when the hand rests. */
const REST_MS = 450;

export type Check =
  | { is: "none" | "asking" | "away" }
  | { is: "done"; severities: string[] }
  | { is: "bad"; problems: RuleProblem[] };

/** A refusal with its problems; anything else says nothing of the draft. */
export function checkOf(error: unknown): Check {
  const listed = error instanceof ApiProblem ? error.problem["problems"] : null;
  return Array.isArray(listed) ? { is: "bad", problems: listed as RuleProblem[] } : { is: "away" };
}

/** Those of a place and of what is in it. */
export function problemsAt(problems: readonly RuleProblem[], place: string): RuleProblem[] {
  return problems.filter((one) => one.where === place || one.where.startsWith(`${place}.`));
}

/** `draft`: each change of it asks anew, with what `sent` is then. `known`: problems that were told before. */
export function useDraftCheck(
  cameraId: string,
  draft: Ref<RuleSettings>,
  sent: Ref<RuleSettings>,
  isSame: Ref<boolean>,
  known: RuleProblem[],
) {
  const check = shallowRef<Check>(known.length ? { is: "bad", problems: known } : { is: "none" });
  let timer: ReturnType<typeof setTimeout> | null = null;
  let questions = 0;

  async function ask(): Promise<void> {
    const mine = ++questions;
    let answer: Check;
    try {
      const { severity_changes } = await rules.check(cameraId, { settings: asked(sent.value) });
      answer = { is: "done", severities: severity_changes };
    } catch (error) {
      answer = checkOf(error);
    }
    if (mine === questions) check.value = isSame.value ? { is: "none" } : answer;
  }

  watch(draft, () => {
    if (timer) clearTimeout(timer);
    questions += 1; // an answer under way is about the draft before
    check.value = { is: "asking" };
    timer = setTimeout(() => void ask(), REST_MS);
  });
  onBeforeUnmount(() => {
    if (timer) clearTimeout(timer);
  });
  return check;
}
