/** One question to a node about a rule: asked, waited for, given up. */
import { computed, onBeforeUnmount, ref, shallowRef } from "vue";

import { ApiProblem } from "@/api/http";
import type { Problem } from "@/api/types";
import { now } from "@/live/now";

import type { Rule } from "./draft";

/** The centre ends every question before: after 950 s. */
const PATIENCE_MS = 960_000;
const LOOK_MS = 1_000;

export type Asking<Found> =
  | { is: "idle" | "asking" | "cancelled" | "away" | "unreadable" }
  | ({ is: "done"; rule: Rule; tookS: number } & Found)
  | { is: "refused"; code: string; text: string; problem: Problem };

/** `look`: every second while it is waited for, told whether the question is still this one. */
export function useQuestion<Found extends object>(
  put: (rule: Rule, fromMs: number, toMs: number, signal: AbortSignal) => Promise<Found | null>,
  look: (isStill: () => boolean) => void = () => undefined,
) {
  const asking = shallowRef<Asking<Found>>({ is: "idle" });
  const waitedS = ref(0);
  let stop: AbortController | null = null;

  async function run(rule: Rule, hours: number): Promise<void> {
    if (stop) return;
    const mine = (stop = new AbortController());
    const begun = performance.now();
    const toMs = now.value;
    asking.value = { is: "asking" };
    waitedS.value = 0;
    const patience = setTimeout(() => mine.abort(), PATIENCE_MS);
    const looking = setInterval(() => {
      waitedS.value = Math.round((performance.now() - begun) / 1000);
      look(() => stop === mine);
    }, LOOK_MS);
    try {
      const found = await put(rule, toMs - hours * 3_600_000, toMs, mine.signal);
      const tookS = (performance.now() - begun) / 1000;
      if (stop === mine) asking.value = found ? { is: "done", rule, tookS, ...found } : { is: "unreadable" };
    } catch (error) {
      if (stop === mine) asking.value = failed(error);
    } finally {
      clearTimeout(patience);
      clearInterval(looking);
      if (stop === mine) stop = null;
    }
  }

  function failed(error: unknown): Asking<Found> {
    if (!(error instanceof ApiProblem)) return { is: "away" };
    return { is: "refused", code: error.problem.code ?? "", text: error.message, problem: error.problem };
  }

  function cancel(): void {
    if (!stop) return;
    stop.abort();
    stop = null;
    asking.value = { is: "cancelled" };
  }

  onBeforeUnmount(cancel);
  const isAsking = computed(() => asking.value.is === "asking");
  return { asking, isAsking, waitedS, run, cancel };
}
