/**
 * The page's one event stream, shared by whoever listens. It runs while somebody is signed in and listens.
 *
 * `linkState`: "connecting" at first; "live"; "reconnecting" for a short break; "lost" when nothing was heard for
 * LOST_AFTER_MS (the banner). After every break each listener is asked to read its lists afresh.
 */
import { computed, ref, watch } from "vue";

import { notices } from "@/api/calls";
import { EventStream, SILENT_MS } from "@/api/event_stream";
import { ApiProblem } from "@/api/http";
import type { CentreEvent } from "@/api/types";

import { isExpired, onSignOut, renewals } from "./account";
import { now } from "./now";
import { Receipts } from "./receipts";

export interface Listener {
  onEvent(event: CentreEvent): void;
  /** Lists may be stale: read them again. */
  onResume(): void;
  /** Nobody is before this page: what it hears has not been received by a person. */
  isUnattended?: boolean;
}

const isOpen = ref(false);
/** Something was heard on the stream since it was opened by this page. */
export const hasBeenOpen = ref(false);
export const heardAtMs = ref(Date.now());
const startedAtMs = ref(Date.now());

export type LinkState = "connecting" | "live" | "reconnecting" | "lost";

export const linkState = computed<LinkState>(() => {
  void now.value; // looked at again each second
  const silentMs = Date.now() - (hasBeenOpen.value ? heardAtMs.value : startedAtMs.value);
  if (silentMs > SILENT_MS) return "lost";
  if (isOpen.value) return "live";
  return hasBeenOpen.value ? "reconnecting" : "connecting";
});

const listeners = new Set<Listener>();
const isAttended = (): boolean => [...listeners].some((one) => !one.isUnattended);
let stream: EventStream | null = null;

const receipts = new Receipts(
  {
    unreceived: async () => (await notices.unreceived()).items.map((notice) => notice.notice_id),
    received: (noticeId) =>
      notices.received(noticeId).then(
        () => true,
        (error: unknown) => {
          if (error instanceof ApiProblem && error.status === 404) return false;
          throw error;
        },
      ),
  },
  () => document.visibilityState === "visible" && isAttended(),
);

function open(): void {
  startedAtMs.value = Date.now();
  stream = new EventStream({
    onEvent: (event) => {
      if (event.kind === "notice" && isAttended()) void receipts.take(event.notice.notice_id);
      for (const listener of listeners) {
        if (event.kind === "reload") listener.onResume();
        else listener.onEvent(event);
      }
    },
    onOpen: (isResumed) => {
      isOpen.value = true;
      hasBeenOpen.value = true;
      heardAtMs.value = Date.now();
      if (isAttended()) void receipts.catchUp();
      if (isResumed) listeners.forEach((listener) => listener.onResume());
    },
    onAlive: () => {
      heardAtMs.value = Date.now();
    },
    onLost: () => {
      isOpen.value = false;
    },
  });
  stream.start();
}

function close(): void {
  stream?.close();
  stream = null;
  isOpen.value = false;
  hasBeenOpen.value = false;
}

onSignOut(() => {
  close();
  receipts.forget();
});
watch(isExpired, (isNow) => {
  if (!isNow) stream?.nudge(); // goes on from the last event heard before the session ended
});
watch(renewals, () => stream?.nudge());
window.addEventListener("online", () => stream?.nudge());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "visible") return;
  stream?.nudge();
  void receipts.tell();
});

/** Listen until the returned function is called. */
export function listen(listener: Listener): () => void {
  listeners.add(listener);
  if (!stream) open();
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) close();
  };
}
