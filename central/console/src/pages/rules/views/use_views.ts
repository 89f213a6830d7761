/** The views that a camera's node has told while the page is open, and the newest picture of each. Gone with the page. */
import { computed, onScopeDispose, shallowRef, watch, type Ref } from "vue";

import { evidenceUrl } from "@/api/calls";
import type { FreshStill } from "@/api/camera_stills";
import type { CameraStill } from "@/api/rules";

import type { NamedView } from "./views";

/** `newest`: what is shown of the camera now: the small picture of `answer`, then the full one. */
export function useViews(answer: Ref<FreshStill | null>, newest: Ref<CameraStill | null>) {
  const told = shallowRef<NamedView[] | null>(null);
  const kept = shallowRef<ReadonlyMap<string, CameraStill>>(new Map());
  /** By sha256: null: it shows none of the views. */
  const shows = shallowRef<ReadonlyMap<string, string | null>>(new Map());
  const fetched = new Set<string>();
  const addresses: string[] = [];

  function keep(view: string, still: CameraStill): void {
    kept.value = new Map(kept.value).set(view, still);
  }

  watch(answer, (found) => {
    if (!found) return;
    if (found.views) told.value = found.views;
    if (!found.views || found.views.length < 2 || found.observed_at === null || !found.preview) return;
    shows.value = new Map(shows.value).set(found.still_sha256 ?? "", found.view_id);
    const preview = `data:image/jpeg;base64,${found.preview}`;
    const still = { sha256: found.still_sha256 ?? "", frame_size_wh: found.frame_size_wh, observed_at: found.observed_at };
    if (found.view_id !== null) keep(found.view_id, { ...still, is_asked_for: true, preview });
  });

  // The centre shows the newest still of a camera only: what is drawn on in another view is kept here.
  watch([newest, shows], ([still]) => {
    const view = still && !still.preview ? shows.value.get(still.sha256) : undefined;
    if (still && view && !fetched.has(still.sha256)) void fetchWhole(view, still);
  });

  async function fetchWhole(view: string, still: CameraStill): Promise<void> {
    fetched.add(still.sha256);
    try {
      const response = await fetch(evidenceUrl(still.sha256), { credentials: "same-origin" });
      if (!response.ok) return; // the small one stays
      const address = URL.createObjectURL(await response.blob());
      addresses.push(address);
      if (kept.value.get(view)?.sha256 === still.sha256) keep(view, { ...still, whole: address });
    } catch {
      fetched.delete(still.sha256); // no network: asked again when the still is told again
    }
  }
  onScopeDispose(() => addresses.forEach((one) => URL.revokeObjectURL(one)));

  /** undefined: nobody knows. */
  const newestView = computed<string | null | undefined>(() => (newest.value ? shows.value.get(newest.value.sha256) : undefined));
  return { told, kept, newestView };
}
