/**
 * The views of a camera as its node told them, and the newest picture of each: the centre keeps both. What an answer
 * has just said, and its small pictures, lie in the page until the centre tells them.
 */
import { computed, shallowRef, watch, type Ref } from "vue";

import type { FreshStill } from "@/api/camera_stills";
import type { CameraStill, ToldViews } from "@/api/rules";
import { now } from "@/live/now";

import { keptStills, type SeenViews } from "./views";

/** `newest`: what is shown of the camera now: the small picture of `answer`, then the full one. */
export function useViews(answer: Ref<FreshStill | null>, newest: Ref<CameraStill | null>, stored: Ref<ToldViews | null>) {
  const justTold = shallowRef<{ items: NonNullable<FreshStill["views"]>; told_at: string } | null>(null);
  const small = shallowRef<ReadonlyMap<string, CameraStill>>(new Map());

  watch(
    () => stored.value?.told_at,
    () => (justTold.value = null),
  );
  watch(answer, (found) => {
    if (!found?.views) return;
    justTold.value = { items: found.views, told_at: new Date(now.value).toISOString() };
    if (!tellsApart(found) || found.view_id === null || found.observed_at === null || !found.preview) return;
    const preview = `data:image/jpeg;base64,${found.preview}`;
    const { frame_size_wh, observed_at } = found;
    const still = { sha256: found.still_sha256 ?? "", frame_size_wh, observed_at, is_asked_for: true, preview };
    small.value = new Map(small.value).set(found.view_id, still);
  });

  /** undefined: nobody knows. */
  const newestView = computed<string | null | undefined>(() => {
    const [still, found] = [newest.value, answer.value];
    if (!still) return undefined;
    if (found && tellsApart(found) && still.sha256 === (found.still_sha256 ?? "")) return found.view_id;
    return still.is_view_known ? (still.view_id ?? null) : undefined;
  });
  return computed<SeenViews>(() => {
    const told = justTold.value ?? stored.value;
    const kept = keptStills(stored.value, small.value);
    return { told: told?.items ?? null, toldAt: told?.told_at ?? null, kept, newestView: newestView.value };
  });
}

const tellsApart = (found: FreshStill): boolean => (found.views?.length ?? 0) > 1;
