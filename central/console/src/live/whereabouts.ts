/**
 * Where the phone is, while a task is being worked on and the worker allows it: coarse, and never anywhere else.
 * Nothing waits for it and nothing needs it.
 */
import { onScopeDispose, watch } from "vue";

import type { Near } from "@/api/types";

/** An older fix says nothing about where an act was done. */
const FRESH_MS = 120_000;
/** Three decimals: about 100 m. Finer would say at which door somebody stood. */
const DECIMALS = 3;

let last: { near: Near; atMs: number } | null = null;

export function nearNow(): Near | null {
  return last && Date.now() - last.atMs < FRESH_MS ? last.near : null;
}

/** Follows the position while `isAtWork`, at most until the page is left. */
export function useWhereabouts(isAtWork: () => boolean): void {
  if (!navigator.geolocation || !isSecureContext) return;
  let stop: (() => void) | null = null;
  watch(
    isAtWork,
    (isNow) => {
      stop?.();
      stop = isNow ? follow() : null;
    },
    { immediate: true },
  );
  onScopeDispose(() => stop?.());
}

function follow(): () => void {
  const following = navigator.geolocation.watchPosition(
    ({ coords }) => {
      const near = { longitude: coarse(coords.longitude), latitude: coarse(coords.latitude) };
      last = { near, atMs: Date.now() };
    },
    () => undefined, // refused or not found: acts go without
    { enableHighAccuracy: false, maximumAge: FRESH_MS },
  );
  return () => {
    navigator.geolocation.clearWatch(following);
    last = null;
  };
}

function coarse(degrees: number): number {
  return Number(degrees.toFixed(DECIMALS));
}
