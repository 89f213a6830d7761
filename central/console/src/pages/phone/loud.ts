/**
 * A new task is heard, felt and seen: tones, vibration, a flash and a number in the title, and a notification while the
 * page is hidden. Loaded after the list; one for all pages of the phone, until the session ends.
 *
 * A browser plays and shakes nothing before somebody has pressed something on the page. Mute ends by itself.
 */
import { computed, effectScope, ref, shallowRef, watch } from "vue";

import type { Severity, Task } from "@/api/types";
import { onSignOut } from "@/live/account";
import { now } from "@/live/now";
import { usePhone } from "@/live/phone";
import { playTones, tonesOf } from "@/live/tones";
import { language, t, tCode } from "@/words";

import { Ringing, SHAKES, type Offered } from "./ringing";
import { p, urgedNow } from "./words";

const MUTE_MS = 600_000;
const canPlay = "AudioContext" in window;
export const canShake = "vibrate" in navigator;
const canNotify = "Notification" in window;

export type Sound = "none" | "asleep" | "on" | "muted";

let player: AudioContext | null = null;
let stop: (() => void) | null = null;
let ringing = new Ringing();
const isAwake = ref(false);
const mutedUntilMs = ref(0);
const unseen = shallowRef<Offered[]>([]);
const permission = ref<NotificationPermission | "none">(canNotify ? Notification.permission : "none");

const mutedForS = computed(() => Math.max(0, Math.ceil((mutedUntilMs.value - now.value) / 1000)));
const sound = computed<Sound>(() => {
  if (!canPlay) return "none";
  if (mutedForS.value > 0) return "muted";
  return isAwake.value ? "on" : "asleep";
});

async function wake(): Promise<void> {
  if (!canPlay) return;
  player ??= new AudioContext();
  await player.resume().catch(() => undefined);
  isAwake.value = player.state === "running";
}

function ring(severity: Severity): void {
  if (mutedForS.value > 0) return;
  if (player && isAwake.value) playTones(player, tonesOf(severity));
  if (canShake && navigator.userActivation?.hasBeenActive) navigator.vibrate(SHAKES[severity]);
}

/** On a locked screen others read along: the kind of the hazard and no place. */
async function notify(offered: readonly Offered[], hazardOf: (taskId: string) => string): Promise<void> {
  if (document.visibilityState === "visible" || permission.value !== "granted") return;
  const known = await navigator.serviceWorker?.getRegistration("/phone");
  for (const { taskId, key, severity } of offered) {
    const text = `${tCode("severity", String(severity))} · ${tCode("hazard", hazardOf(taskId))}`;
    const how = { body: text, tag: taskId, requireInteraction: severity <= 2 };
    await known?.showNotification(p(key ? "loud.urged" : "loud.new"), how).catch(() => undefined);
  }
}

/** A reminder rings as what is severe does, whatever the case is. */
function urgedOf(task: Task): Offered[] {
  const urged = urgedNow(task);
  if (!urged) return [];
  return [{ taskId: task.task_id, key: `${task.task_id} ${urged.at}`, severity: Math.min(2, task.incident.severity) as Severity }];
}

function start(): void {
  if (stop) return;
  const { tasks, taskOf } = usePhone();
  const scope = effectScope(true);
  scope.run(() => {
    watch(
      tasks,
      (all) => {
        const offered = all
          .filter(({ state }) => state === "offered")
          .map((task): Offered => ({ taskId: task.task_id, severity: task.incident.severity }));
        const fresh = ringing.see([...offered, ...all.flatMap(urgedOf)], now.value);
        unseen.value = ringing.unseen();
        if (fresh.length === 0) return;
        again();
        void notify(fresh, (taskId) => taskOf(taskId)?.incident.hazard ?? "");
      },
      { immediate: true },
    );
    watch(now, () => {
      again();
      sayInTitle(); // a change of page writes the title anew
    });
    watch([unseen, language], sayInTitle, { flush: "post" });
  });
  document.addEventListener("pointerdown", onPress);
  document.addEventListener("keydown", onPress);
  stop = () => {
    scope.stop();
    document.removeEventListener("pointerdown", onPress);
    document.removeEventListener("keydown", onPress);
  };
}

const onPress = (): void => void wake();

function again(): void {
  const severity = ringing.ring(now.value);
  if (severity !== null) ring(severity);
}

function sayInTitle(): void {
  const count = unseen.value.length;
  document.title = (count > 0 ? `(${count}) ` : "") + t("app.phoneTitle");
}

function lookedAt(taskId: string): void {
  ringing.lookedAt(taskId);
  unseen.value = ringing.unseen();
  if (canShake && navigator.userActivation?.hasBeenActive) navigator.vibrate(0);
}

function toggleMute(): void {
  mutedUntilMs.value = mutedForS.value > 0 ? 0 : now.value + MUTE_MS;
}

/** By a press of the worker, never by itself. */
async function askToNotify(): Promise<void> {
  permission.value = await Notification.requestPermission();
}

onSignOut(() => {
  stop?.();
  stop = null;
  ringing = new Ringing();
  unseen.value = [];
  void player?.close();
  player = null;
  isAwake.value = false;
});

export function useLoud() {
  start();
  return { sound, mutedForS, unseen, permission, lookedAt, toggleMute, askToNotify };
}
