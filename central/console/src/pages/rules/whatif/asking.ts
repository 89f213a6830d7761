/** A draft tried by the node, with how far its answer is. */
import { shallowRef } from "vue";

import { whatIf, type Progress } from "@/api/what_if";

import type { Rule } from "../draft";
import { useQuestion } from "../question";
import { readAnswer } from "./answer";

export function useWhatIf(cameraId: string) {
  const progress = shallowRef<Progress | null>(null);

  async function put(rule: Rule, fromMs: number, toMs: number, signal: AbortSignal) {
    progress.value = null;
    const body = { rule, from_at: new Date(fromMs).toISOString(), to_at: new Date(toMs).toISOString() };
    const answer = await whatIf.ask(cameraId, body, signal);
    const found = readAnswer(answer, fromMs, toMs);
    return found && { answer, found };
  }

  function look(isStill: () => boolean): void {
    void whatIf.progress(cameraId).then(
      (found) => {
        // Of several api processes only the one that was asked knows of the question.
        if (isStill() && found.under_way) progress.value = found.under_way;
      },
      () => undefined, // the answer is what counts
    );
  }

  return { ...useQuestion(put, look), progress };
}
