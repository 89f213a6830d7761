/** How the way of an alert stands, asked every READ_MS while the page is looked at, and soon after something came. */
import { onScopeDispose, shallowRef, watch, type Ref } from "vue";

import { standing as calls, type Standing } from "@/api/standing";

import { listen } from "./feed";

const READ_MS = 30_000;
const AFTER_NEWS_MS = 5_000; // not at every event of a storm

/** Null: the centre has not answered yet, or no longer does. `areaCode`: the area looked at; null: all of one's own; undefined: not known yet. */
export function useStanding(areaCode: Ref<string | null | undefined>) {
  const standing = shallowRef<Standing | null>(null);
  let reading = 0;

  async function read(): Promise<void> {
    const area = areaCode.value;
    if (document.hidden || area === undefined) return;
    const mine = (reading += 1);
    const found = await calls.read(area).catch(() => null);
    if (mine === reading) standing.value = found;
  }

  let soon: ReturnType<typeof setTimeout> | undefined;
  function readNews(): void {
    soon = undefined;
    void read();
  }

  watch(areaCode, () => void read(), { immediate: true });
  const timer = setInterval(() => void read(), READ_MS);
  const whenSeen = (): void => void read();
  document.addEventListener("visibilitychange", whenSeen);
  const stopListening = listen({
    onEvent: (event) => {
      if (event.kind === "silence" || event.kind === "incident") soon ??= setTimeout(readNews, AFTER_NEWS_MS);
    },
    onResume: () => void read(),
  });
  onScopeDispose(() => {
    clearInterval(timer);
    clearTimeout(soon);
    document.removeEventListener("visibilitychange", whenSeen);
    stopListening();
    reading += 1;
  });
  return standing;
}
