/**
 * A part of the page could not be fetched. Either the centre runs a new version and the files of this one are gone, or
 * the centre is away. In both cases the page is loaded anew, but only from a centre that answers: loading it from one
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
  if (sinceLastMs >= NOT_AGAIN_WITHIN_MS && (await answers())) {
    sessionStorage.setItem(LAST_LOAD, String(Date.now()));
    location.reload();
  } else {
    setTimeout(() => void look(), LOOK_EVERY_MS);
  }
}

/** No call of `api/http`: whether the centre answers is all that is asked, and nobody need be signed in. */
async function answers(): Promise<boolean> {
  try {
    const answer = await fetch("/api/health", { cache: "no-store", signal: AbortSignal.timeout(DEADLINE_MS) });
    return answer.ok;
  } catch {
    return false;
  }
}
