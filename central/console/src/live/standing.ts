/** How the way of an alert stands, asked every READ_MS while the page is looked at. */
import { onScopeDispose, shallowRef, watch, type Ref } from "vue";

import { standing as calls, type Standing } from "@/api/standing";

import { listen } from "./feed";

const READ_MS = 30_000;

/** Null: the centre has not answered yet, or no longer does. `areaCode`: the area looked at; null: all of one's own. */
export function useStanding(areaCode: Ref<string | null>) {
  const standing = shallowRef<Standing | null>(null);
  let reading = 0;

  async function read(): Promise<void> {
    if (document.hidden) return;
    const mine = (reading += 1);
    const found = await calls.read(areaCode.value).catch(() => null);
    if (mine === reading) standing.value = found;
  }

  watch(areaCode, () => void read(), { immediate: true });
  const timer = setInterval(() => void read(), READ_MS);
  const whenSeen = (): void => void read();
  document.addEventListener("visibilitychange", whenSeen);
  const stopListening = listen({
    onEvent: (event) => {
      if (event.kind === "silence") void read();
    },
    onResume: () => void read(),
  });
  onScopeDispose(() => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", whenSeen);
    stopListening();
    reading += 1;
  });
  return standing;
}
