/** One live view from asking to its end: the stream into a video element, near its newest picture, and nothing kept. */
import { onScopeDispose, ref, shallowRef, type Ref } from "vue";

import { ApiProblem } from "@/api/http";
import { openLiveStream, whyOver, type Wanted } from "@/api/live_views";

export type Phase = "idle" | "asking" | "playing" | "over";

export interface Ending {
  code: string;
  why: string;
}

const BEHIND_S = 2.5; // further behind the newest picture than this: go there
const NEAR_S = 0.3;
const PLAYED_S = 10; // what was played goes from memory

export function useWatching(video: Ref<HTMLVideoElement | null>) {
  const phase = ref<Phase>("idle");
  const ending = shallowRef<Ending | null>(null);
  const viewId = ref("");
  const untilAt = ref("");
  let giveUp: AbortController | null = null;

  async function watch(cameraId: string, wanted: Wanted): Promise<void> {
    stop();
    const mine = new AbortController();
    giveUp = mine;
    phase.value = "asking";
    ending.value = null;
    try {
      const stream = await openLiveStream(cameraId, wanted, mine.signal);
      viewId.value = stream.viewId;
      untilAt.value = stream.untilAt;
      if (!("MediaSource" in window) || !MediaSource.isTypeSupported(stream.type)) {
        await stream.parts.cancel();
        return end({ code: "cannot_play", why: stream.type });
      }
      phase.value = "playing";
      const code = await play(stream.parts, stream.type, mine.signal);
      end({ code: code || "cut_off", why: "" });
    } catch (error) {
      if (mine.signal.aborted) return end({ code: "stopped", why: "" });
      if (error instanceof ApiProblem) return end({ code: error.problem.code ?? "other", why: error.message });
      end({ code: "cut_off", why: "" });
    } finally {
      mine.abort();
    }
  }

  function end(said: Ending): void {
    phase.value = "over";
    ending.value = said;
  }

  function stop(): void {
    giveUp?.abort();
    giveUp = null;
  }

  /** Why it is over, in the centre's word. */
  async function play(parts: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>, type: string, signal: AbortSignal): Promise<string> {
    const element = video.value;
    if (!element) return "stopped";
    const source = new MediaSource();
    const address = URL.createObjectURL(source);
    try {
      element.src = address;
      await once(source, "sourceopen", signal);
      const buffer = source.addSourceBuffer(type);
      void element.play().catch(() => undefined);
      let last = new Uint8Array();
      for (;;) {
        const { done, value } = await parts.read();
        if (done) return whyOver(last);
        last = value;
        buffer.appendBuffer(value);
        await once(buffer, "updateend", signal);
        keepNear(element, buffer);
        await forget(element, buffer, signal);
      }
    } finally {
      element.removeAttribute("src");
      element.load();
      URL.revokeObjectURL(address);
      await parts.cancel().catch(() => undefined);
    }
  }

  onScopeDispose(stop);
  return { phase, ending, viewId, untilAt, watch, stop };
}

/** Over what was left out, and not far behind: what is shown is now, or it is of no use. */
function keepNear(element: HTMLVideoElement, buffer: SourceBuffer): void {
  const ranges = buffer.buffered;
  if (!ranges.length) return;
  const from = ranges.start(ranges.length - 1);
  const until = ranges.end(ranges.length - 1);
  const at = element.currentTime;
  if (at < from || until - at > BEHIND_S) element.currentTime = Math.max(from, until - NEAR_S);
}

async function forget(element: HTMLVideoElement, buffer: SourceBuffer, signal: AbortSignal): Promise<void> {
  const before = element.currentTime - PLAYED_S;
  if (!buffer.buffered.length || before - buffer.buffered.start(0) < PLAYED_S) return;
  buffer.remove(0, before);
  await once(buffer, "updateend", signal);
}

function once(target: EventTarget, name: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    target.addEventListener(name, () => resolve(), { once: true, signal });
    signal.addEventListener("abort", () => reject(new Error("given up")), { once: true });
  });
}
