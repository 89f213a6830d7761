/**
 * How many are open by area, counted by the centre: for a page that has not all of them.
 *
 * Events say that something changed, not how much of what this page lacks: it asks again, at most every RE_READ_MS.
 */
import { onScopeDispose, shallowRef, watch, type Ref } from "vue";

import { incidents as incidentCalls, type OpenCounts } from "@/api/calls";

import { listen } from "./feed";

const RE_READ_MS = 3_000;

/** Null while it is not needed, or the centre has not answered yet. `areaCode`: the area looked at; null: all. */
export function useOpenCounts(isNeeded: Ref<boolean>, areaCode: Ref<string | null>) {
  const counts = shallowRef<OpenCounts | null>(null);
  let waiting: ReturnType<typeof setTimeout> | null = null;
  let readAtMs = 0;
  let reading = 0;

  async function read(): Promise<void> {
    const mine = (reading += 1);
    readAtMs = Date.now();
    const found = await incidentCalls.counts(areaCode.value).catch(() => null);
    if (found && mine === reading && isNeeded.value) counts.value = found;
  }

  function readSoon(): void {
    if (!isNeeded.value || waiting) return;
    const inMs = Math.max(0, readAtMs + RE_READ_MS - Date.now());
    waiting = setTimeout(() => {
      waiting = null;
      void read();
    }, inMs);
  }

  watch(
    [isNeeded, areaCode],
    ([needed]) => {
      if (needed) void read();
      else counts.value = null;
    },
    { immediate: true },
  );
  const stopListening = listen({
    onEvent: (event) => {
      if (event.kind === "incident") readSoon();
    },
    onResume: readSoon,
  });
  onScopeDispose(() => {
    stopListening();
    if (waiting) clearTimeout(waiting);
    reading += 1;
  });
  return counts;
}
