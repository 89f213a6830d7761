/** The picture that a camera's rules are drawn over: the newest that the centre has, or one asked for just now. */
import { computed, type Ref } from "vue";

import { takeStill } from "@/api/camera_stills";
import type { CameraStill } from "@/api/rules";

import { useLook } from "./look";

/** `known`: the newest still that the centre tells of; the full one of a fresh one comes with it, by the stream. */
export function useFreshStill(cameraId: Ref<string>, known: Ref<CameraStill | null>) {
  const { answer, problem, isAsking, waitedMs, ask } = useLook(cameraId, takeStill);

  const fresh = computed<CameraStill | null>(() => {
    const found = answer.value;
    if (!found?.preview || found.observed_at === null) return null;
    return {
      sha256: found.still_sha256 ?? "",
      frame_size_wh: found.frame_size_wh,
      observed_at: found.observed_at,
      is_asked_for: true,
      preview: `data:image/jpeg;base64,${found.preview}`,
    };
  });
  /** The small one, until the full one or a newer one is here. */
  const still = computed<CameraStill | null>(() => {
    const [mine, theirs] = [fresh.value, known.value];
    if (!mine || !theirs) return mine ?? theirs;
    const isNewer = Date.parse(theirs.observed_at) >= Date.parse(mine.observed_at) || theirs.sha256 === mine.sha256;
    return isNewer ? theirs : mine;
  });
  return { answer, problem, isAsking, waitedMs, ask, still };
}
