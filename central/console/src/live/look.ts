/** Asking a camera to look now: one question at a time, given up when what it is about is left. */
import { onScopeDispose, ref, shallowRef, watch, type Ref } from "vue";

import { ApiProblem } from "@/api/http";

/** The centre ends a look after 20 s; a browser that hears nothing of that ends it itself. */
const LONGEST_MS = 30_000;
const TICK_MS = 100;

/** `put`: the question, about what `about` names. */
export function useLook<Answer>(about: Ref<string>, put: (about: string, signal: AbortSignal) => Promise<Answer>) {
  const answer = shallowRef<Answer | null>(null);
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
      const found = await put(about.value, mine.signal);
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
    answer.value = null;
    problem.value = null;
    isAsking.value = false;
  }

  watch(about, forget);
  onScopeDispose(forget);
  return { answer, problem, isAsking, waitedMs, ask };
}

function told(error: unknown): { code: string; why: string } {
  if (!(error instanceof ApiProblem)) return { code: "no_answer", why: "" };
  return { code: error.problem.code ?? "other", why: error.message };
}
