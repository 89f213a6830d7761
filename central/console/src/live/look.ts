/** Asking a camera of a case to look now: one question at a time, given up when the case is left. */
import { onScopeDispose, ref, watch, type Ref } from "vue";

import { ApiProblem } from "@/api/http";
import { lookNow, type FreshLook } from "@/api/looks";

/** The centre ends a look after 20 s; a browser that hears nothing of that ends it itself. */
const LONGEST_MS = 30_000;
const TICK_MS = 100;

export function useLook(incidentId: Ref<string>) {
  const answer = ref<FreshLook | null>(null);
  /** Why there is none: the centre's code, or "no_answer", and its words. */
  const problem = ref<{ code: string; why: string } | null>(null);
  const isAsking = ref(false);
  const waitedMs = ref(0);
  let giveUp: AbortController | null = null;

  async function ask(): Promise<void> {
    if (isAsking.value) return;
    const mine = new AbortController();
    const began = performance.now();
    const ticking = setInterval(() => (waitedMs.value = performance.now() - began), TICK_MS);
    const late = setTimeout(() => mine.abort(), LONGEST_MS);
    giveUp = mine;
    isAsking.value = true;
    waitedMs.value = 0;
    problem.value = null;
    try {
      const found = await lookNow(incidentId.value, mine.signal);
      if (giveUp === mine) answer.value = found;
    } catch (error) {
      if (giveUp === mine) problem.value = told(error);
    } finally {
      clearInterval(ticking);
      clearTimeout(late);
      if (giveUp === mine) isAsking.value = false;
    }
  }

  function forget(): void {
    giveUp?.abort();
    giveUp = null;
    answer.value = problem.value = null;
    isAsking.value = false;
  }

  watch(incidentId, forget);
  onScopeDispose(forget);
  return { answer, problem, isAsking, waitedMs, ask };
}

function told(error: unknown): { code: string; why: string } {
  if (!(error instanceof ApiProblem)) return { code: "no_answer", why: "" };
  return { code: error.problem.code ?? "other", why: error.message };
}
