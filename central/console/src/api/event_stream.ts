/**
 * The one event stream of this page.
 *
 * Read by fetch, not by EventSource: EventSource hides the centre's pings, so it cannot tell a quiet city from a cut
 * cable, and it cannot carry Last-Event-ID past its own life. Invariants:
 *   - at most one request is open; `close()` ends it for good;
 *   - after any break the next request carries the last id seen, and `onOpen(isResumed)` lets the owner read afresh;
 *   - nothing heard for SILENT_MS: the request is dropped and tried again, whatever the socket says.
 */
import { noteServerTime, signedOut } from "./http.ts";
import { SseParser, type SseMessage } from "./sse_parser.ts";
import type { CentreEvent } from "./types.ts";

/** Twice-missed pings: the centre sends one every 15 s. */
export const SILENT_MS = 20_000;
const FIRST_WAIT_MS = 800;
const LONGEST_WAIT_MS = 10_000;
/** Without a session: whoever signs in again says so by `nudge`. */
const SIGNED_OUT_WAIT_MS = 60_000;

export interface StreamOwner {
  onEvent(event: CentreEvent): void;
  onOpen(isResumed: boolean): void;
  onAlive(): void;
  onLost(): void;
}

export class EventStream {
  readonly #owner: StreamOwner;
  #lastId: string | null = null;
  #abort: AbortController | null = null;
  #isClosed = false;
  #hasBeenOpen = false;
  #isSignedOut = false;
  #wake: (() => void) | null = null;

  constructor(owner: StreamOwner) {
    this.#owner = owner;
  }

  start(): void {
    void this.#run();
  }

  /** Try at once instead of waiting: the browser says the network is back, or the page is visible again. */
  nudge(): void {
    this.#wake?.();
  }

  close(): void {
    this.#isClosed = true;
    this.#abort?.abort();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#isClosed) {
      const wasHeard = await this.#readOnce().catch(() => false);
      if (this.#isClosed) return;
      this.#owner.onLost();
      failures = wasHeard ? 0 : failures + 1;
      const longest = this.#isSignedOut ? SIGNED_OUT_WAIT_MS : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures);
      await this.#pause(longest * (0.5 + Math.random() / 2));
    }
  }

  /** One request, to its end. True when anything was heard on it. */
  async #readOnce(): Promise<boolean> {
    const abort = new AbortController();
    this.#abort = abort;
    let silence = setTimeout(() => abort.abort(), SILENT_MS);
    try {
      const headers: Record<string, string> = { Accept: "text/event-stream" };
      if (this.#lastId !== null) headers["Last-Event-ID"] = this.#lastId;
      const askedAtMs = performance.now();
      const response = await fetch("/api/events", {
        headers,
        credentials: "same-origin",
        cache: "no-store",
        signal: abort.signal,
      });
      this.#isSignedOut = response.status === 401;
      if (this.#isSignedOut) signedOut();
      if (!response.ok || !response.body) return false;
      noteServerTime(response.headers.get("Date"), askedAtMs);
      this.#owner.onOpen(this.#hasBeenOpen);
      this.#hasBeenOpen = true;
      const parser = new SseParser();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return true;
        clearTimeout(silence);
        silence = setTimeout(() => abort.abort(), SILENT_MS);
        this.#owner.onAlive();
        for (const message of parser.push(value)) this.#deliver(message);
      }
    } finally {
      clearTimeout(silence);
      this.#abort = null;
    }
  }

  #deliver(message: SseMessage): void {
    if (message.id !== null) this.#lastId = message.id;
    const event = readEvent(message);
    if (event) this.#owner.onEvent(event);
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
  }
}

/** As a record, so that the compiler misses a kind that is not here. */
const KNOWN: Record<Exclude<CentreEvent["kind"], "hello" | "reload" | "changed">, true> = {
  incident: true,
  task: true,
  camera: true,
  camera_gone: true,
  node: true,
  silence: true,
  calendar_proposal: true,
  notice: true,
  camera_rules: true,
  seat: true,
  hand_over: true,
  claim: true,
  bulk_read: true,
};
const KINDS = new Set(Object.keys(KNOWN));

/** Null for what this version does not know: a newer centre may say more. */
export function readEvent(message: SseMessage): CentreEvent | null {
  let body: unknown;
  try {
    body = JSON.parse(message.data);
  } catch {
    return null;
  }
  if (message.event === "hello" || message.event === "reload" || message.event === "changed") return { kind: message.event };
  if (typeof body !== "object" || body === null || !(message.event in body)) return null;
  return KINDS.has(message.event) ? ({ kind: message.event, ...body } as CentreEvent) : null;
}
