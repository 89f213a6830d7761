/** A case as the panel beside the map and its own page both show it: read, moved, looked at, its merges undone. */
import { computed, useTemplateRef, type Ref } from "vue";

import type { IncidentName } from "@/api/types";
import { user } from "@/live/account";
import { useCase } from "@/live/case";
import { mayLook } from "@/live/rights";

/** What undoes a merge is the part of the template with the ref "regrouping". */
export function useShownCase(incidentId: Ref<string>) {
  const shown = useCase(incidentId);
  const regrouping = useTemplateRef<{ undo: (absorbed: IncidentName) => void }>("regrouping");
  const canLook = computed(() => shown.detail.value !== null && mayLook(shown.detail.value, user.value?.role));
  const saidProblem = computed(() => (shown.problem.value === "not_found" ? "case.notFound" : "case.failed"));
  return { ...shown, canLook, saidProblem, undo: (absorbed: IncidentName) => regrouping.value?.undo(absorbed) };
}
