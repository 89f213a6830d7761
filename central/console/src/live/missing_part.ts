/**
 * A part of the page could not be fetched. Either the centre runs a new version and the files of this one are gone, or
 * the centre is away. In both cases the page is loaded anew, but only from a centre that is ready: loading it from one
 * that is away would take the operator's screen away too, and nothing would bring it back.
 */
const LOOK_EVERY_MS = 2_000;
const DEADLINE_MS = 5_000;
/** A file that stays away must not make the page load itself for ever. */
const NOT_AGAIN_WITHIN_MS = 60_000;
const LAST_LOAD = "xueliang-loaded-anew-ms";

let isWaiting = false;

export function loadAnewWhenPossible(): void {
  if (isWaiting) return;
  isWaiting = true;
  void look();
}

async function look(): Promise<void> {
  const sinceLastMs = Date.now() - Number(sessionStorage.getItem(LAST_LOAD) ?? 0);
  const isTime = sinceLastMs < 0 || sinceLastMs >= NOT_AGAIN_WITHIN_MS; // below zero: the clock was set back
  if (isTime && (await isReady())) {
    sessionStorage.setItem(LAST_LOAD, String(Date.now()));
    location.reload();
  } else {
    setTimeout(() => void look(), LOOK_EVERY_MS);
  }
}

/** Its database, too: without it nobody is signed in. No call of `api/http`: nobody need be signed in to ask. */
async function isReady(): Promise<boolean> {
  try {
    const answer = await fetch("/api/health", { cache: "no-store", signal: AbortSignal.timeout(DEADLINE_MS) });
    return answer.ok && ((await answer.json()) as { state?: string }).state === "ready";
  } catch {
    return false;
  }
}
