/** One question to the node: asked, waited for, given up. */
import { computed, onBeforeUnmount, ref, shallowRef } from "vue";

import { ApiProblem } from "@/api/http";
import { whatIf, type Answer, type Progress } from "@/api/what_if";
import { now } from "@/live/now";

import type { Rule } from "../draft";
import { readAnswer, type WhatIf } from "./answer";

/** The centre ends every question before: 150 s for the first page, 8 s for each of 100. */
const PATIENCE_MS = 960_000;
const LOOK_MS = 1_000;

export type Asking =
  | { is: "idle" | "asking" | "cancelled" | "away" | "unreadable" }
  | { is: "done"; answer: Answer; found: WhatIf; rule: Rule; tookS: number }
  | { is: "refused"; code: string; text: string };

export function useWhatIf(cameraId: string) {
  const asking = shallowRef<Asking>({ is: "idle" });
  const progress = shallowRef<Progress | null>(null);
  const waitedS = ref(0);
  let stop: AbortController | null = null;

  async function run(rule: Rule, hours: number): Promise<void> {
    if (stop) return;
    const mine = (stop = new AbortController());
    const begun = performance.now();
    const toMs = now.value;
    const fromMs = toMs - hours * 3_600_000;
    asking.value = { is: "asking" };
    progress.value = null;
    waitedS.value = 0;
    const patience = setTimeout(() => mine.abort(), PATIENCE_MS);
    const looking = setInterval(() => {
      waitedS.value = Math.round((performance.now() - begun) / 1000);
      void whatIf.progress(cameraId).then(
        (found) => {
          // Of several api processes only the one that was asked knows of the question.
          if (stop === mine && found.under_way) progress.value = found.under_way;
        },
        () => undefined, // the answer is what counts
      );
    }, LOOK_MS);
    try {
      const body = { rule, from_at: new Date(fromMs).toISOString(), to_at: new Date(toMs).toISOString() };
      const answer = await whatIf.ask(cameraId, body, mine.signal);
      const found = readAnswer(answer, fromMs, toMs);
      const tookS = (performance.now() - begun) / 1000;
      if (stop === mine) asking.value = found ? { is: "done", answer, found, rule, tookS } : { is: "unreadable" };
    } catch (error) {
      if (stop === mine) asking.value = failed(error);
    } finally {
      clearTimeout(patience);
      clearInterval(looking);
      if (stop === mine) stop = null;
    }
  }

  function failed(error: unknown): Asking {
    if (!(error instanceof ApiProblem)) return { is: "away" };
    return { is: "refused", code: error.problem.code ?? "", text: error.message };
  }

  function cancel(): void {
    if (!stop) return;
    stop.abort();
    stop = null;
    asking.value = { is: "cancelled" };
  }

  onBeforeUnmount(cancel);
  const isAsking = computed(() => asking.value.is === "asking");
  return { asking, isAsking, progress, waitedS, run, cancel };
}
