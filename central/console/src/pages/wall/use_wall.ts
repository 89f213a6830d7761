/**
 * What a wall shows, read again whenever the stream says that something changed.
 *
 * Nobody sits before it: it takes no seat, receives no notice, and goes on trying whatever happens. What was shown last
 * stays on the screen; `state` says why it may be old.
 */
import { computed, onScopeDispose, ref, shallowRef, watch } from "vue";

import { ApiProblem } from "@/api/http";
import { wall, type Wall } from "@/api/wall";
import { isUnattended, prove, user } from "@/live/account";
import { linkState, listen } from "@/live/feed";

const GATHER_MS = 1_500; // a busy city changes all the time: one reading for what comes together
const ANYWAY_MS = 30_000; // counts of health change without an event of their own
const SIGNED_IN_AGAIN_MS = 15_000;

/** "signedOut": the session is over. "silent": the stream is. "failing": it is not, but the centre does not answer. */
export type WallState = "fine" | "connecting" | "silent" | "signedOut" | "failing" | "missing";

export function useWall(area: () => string) {
  const shown = shallowRef<Wall | null>(null);
  const trouble = ref<"" | "failing" | "missing">("");
  let isGone = false;
  isUnattended.value = true;
  let isReading = false;
  let gathering: ReturnType<typeof setTimeout> | undefined;

  async function read(): Promise<void> {
    if (isReading) return readSoon();
    if (!user.value) return;
    isReading = true;
    try {
      const found = await wall.read(area());
      if (!isGone) [shown.value, trouble.value] = [found, ""];
    } catch (error) {
      trouble.value = error instanceof ApiProblem && error.status === 404 ? "missing" : "failing";
    } finally {
      isReading = false;
    }
  }
  function readSoon(): void {
    if (isGone) return;
    gathering ??= setTimeout(() => {
      gathering = undefined;
      void read();
    }, GATHER_MS);
  }

  const listener = { onEvent: readSoon, onResume: () => void read(), isUnattended: true };
  let stop = (): void => undefined;
  watch(
    () => user.value?.user_id,
    (id) => {
      stop();
      stop = id ? listen(listener) : () => undefined;
      if (id) void read();
    },
    { immediate: true },
  );
  const timer = setInterval(() => void read(), ANYWAY_MS);
  const asking = setInterval(() => {
    if (!user.value) void prove(); // somebody may have signed in anew in another window of this browser
  }, SIGNED_IN_AGAIN_MS);
  onScopeDispose(() => {
    isGone = true;
    isUnattended.value = false;
    stop();
    clearInterval(timer);
    clearInterval(asking);
    clearTimeout(gathering);
  });

  const state = computed<WallState>(() => {
    if (!user.value) return "signedOut";
    if (linkState.value === "lost") return "silent";
    if (trouble.value) return trouble.value;
    return shown.value ? "fine" : "connecting";
  });
  return { shown, state };
}
