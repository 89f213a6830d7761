/**
 * Tells the centre that somebody is at this seat, as long as somebody could see and hear it.
 *
 * It goes on from other pages of the console for AWAY_MS, so that nobody has to hurry with a case; only the command
 * page sounds. Nothing is told before the centre has said that it counts presence.
 */
import { effectScope, onScopeDispose, ref, watch, type Ref } from "vue";

import { seat as seatCalls } from "@/api/calls";
import type { Presence } from "@/api/types";

import { onSignOut, user } from "./account";
import { linkState, listen } from "./feed";
import { now } from "./now";
import { obstacleOf, type Obstacle, type Sound } from "./obstacles";
import { may } from "./rights";

/** What the centre said last; null: it does not count who is at a seat, or has not said so yet. */
export const presence = ref<Presence | null>(null);
export const obstacle = ref<Obstacle | null>("not_begun");

interface Hearing {
  sound: Sound;
  isAwake: boolean;
}

let hearing: Hearing = { sound: "off", isAwake: false };
let leftAtMs: number | null = null;
let triedAtMs = 0;
let stopListening: (() => void) | null = null;
let isWatched = false;

/** Of the command page: what can be heard of it. */
export function usePresence(sound: Ref<Sound>, isAwake: Ref<boolean>): void {
  leftAtMs = null;
  watch(
    [sound, isAwake],
    ([newSound, awake], before) => {
      hearing = { sound: newSound, isAwake: awake };
      look();
      if (before[0] === "testing" && newSound === "on") void tell(true);
    },
    { immediate: true },
  );
  onScopeDispose(() => {
    leftAtMs = Date.now();
  });
  if (isWatched) return;
  isWatched = true;
  effectScope(true).run(() => watch(now, look));
  document.addEventListener("visibilitychange", look);
}

/** A press of this person, or (not `begins`) the page by itself. */
export async function tell(begins: boolean): Promise<void> {
  if (presence.value === null) return;
  triedAtMs = Date.now();
  const answer = await seatCalls.tell(begins).catch(() => null);
  if (answer) presence.value = answer.presence;
}

function look(): void {
  const isMine = user.value !== null && may(user.value.role, "have_seat");
  keepListening(isMine && hearing.sound !== "off");
  obstacle.value = obstacleOf({
    ...hearing,
    isVisible: document.visibilityState === "visible",
    isLost: linkState.value === "lost",
    awayMs: leftAtMs === null ? 0 : Date.now() - leftAtMs,
  });
  if (!isMine || obstacle.value !== null || presence.value === null) return;
  if (Date.now() - triedAtMs >= presence.value.tell_every_s * 1000) void tell(false);
}

/** The stream stays open on pages that do not listen themselves: a seat whose stream is cut is not staffed. */
function keepListening(isNeeded: boolean): void {
  if (isNeeded) stopListening ??= listen({ onEvent: () => undefined, onResume: () => undefined });
  else {
    stopListening?.();
    stopListening = null;
  }
}

onSignOut(() => {
  presence.value = null;
  hearing = { sound: "off", isAwake: false };
  keepListening(false);
});
