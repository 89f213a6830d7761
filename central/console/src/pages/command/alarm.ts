/**
 * Tones, flashes and announcements of new incidents; where they are dealt, of new rows of the own seat.
 *
 * A browser plays nothing before somebody has pressed something, so a shift begins with a test tone that has to be
 * heard. Mute ends by itself. What came while the page was hidden is said when it is looked at again.
 */
import { computed, onScopeDispose, ref, watch } from "vue";

import type { Incident, Severity } from "@/api/types";
import type { Board } from "@/live/board";
import { now } from "@/live/now";
import type { Sound } from "@/live/obstacles";
import type { SeatOf } from "@/live/seat";
import { HELP_TONES, playTones, TEST_TONES, tonesOf, worstOf, type Tone } from "@/live/tones";

import { callsForHelp } from "./calls_for_help";
import { newsSince } from "./news";

export const MUTE_MS = 600_000;
const FLASH_MS = 4_000;
/** What comes within this long is told of together. */
const GATHER_MS = 250;
const HIDDEN_AT_LEAST_MS = 20_000;
const HEARD = "xueliang.sound-heard"; // of this tab: a new tab is silent again

/** What the page is narrowed to; `isTold`: with tones all the same. */
export interface Looking {
  isIn(incident: Incident): boolean;
  isTold(incident: Incident): boolean;
}

/** What is told to screen readers. */
export interface Words {
  incident(incident: Incident): string;
  help(incident: Incident, count: number): string;
}

export function useAlarm(board: Board, mine: SeatOf, looking: Looking, words: Words) {
  let player: AudioContext | null = null;
  const isHeard = ref(sessionStorage.getItem(HEARD) !== null);
  const isAwake = ref(false);
  const isTesting = ref(false);
  const mutedUntilMs = ref(0);
  const flash = ref<Severity | null>(null);
  const announcement = ref("");
  const helpSaid = ref("");
  const hiddenMs = ref(0);
  /** New since they were last looked at, and not within what the page is narrowed to. */
  const cameOutside = ref(new Set<string>());
  let hiddenSinceMs: number | null = document.visibilityState === "hidden" ? Date.now() : null;

  const mutedForS = computed(() => Math.max(0, Math.ceil((mutedUntilMs.value - now.value) / 1000)));
  const sound = computed<Sound>(() => {
    if (isTesting.value) return "testing";
    if (!isHeard.value) return "off";
    if (!isAwake.value) return "asleep";
    return mutedForS.value > 0 ? "muted" : "on";
  });

  function play(tones: readonly Tone[]): void {
    if (player) playTones(player, tones);
  }

  async function wake(): Promise<void> {
    const woken = (player ??= new AudioContext());
    woken.onstatechange = () => (isAwake.value = woken.state === "running"); // the browser may put it to sleep again
    await woken.resume();
    isAwake.value = woken.state === "running";
  }

  /** By a press of somebody, else the browser stays silent. */
  async function test(): Promise<void> {
    await wake();
    isTesting.value = true;
    play(TEST_TONES);
  }

  function heard(): void {
    isTesting.value = false;
    isHeard.value = true;
    sessionStorage.setItem(HEARD, "1");
  }

  function toggleMute(): void {
    mutedUntilMs.value = mutedForS.value > 0 ? 0 : now.value + MUTE_MS;
  }

  // A reloaded tab may play again only after a press: the first one anywhere does.
  const onPress = (): void => {
    if (isHeard.value) void wake();
  };
  if (isHeard.value && navigator.userActivation.hasBeenActive) void wake(); // from another page of the console
  const onVisibility = (): void => {
    if (document.visibilityState === "hidden") hiddenSinceMs ??= Date.now();
    else if (hiddenSinceMs !== null) {
      const lasted = Date.now() - hiddenSinceMs;
      hiddenSinceMs = null;
      if (lasted >= HIDDEN_AT_LEAST_MS) hiddenMs.value = lasted;
    }
  };
  document.addEventListener("pointerdown", onPress);
  document.addEventListener("keydown", onPress);
  document.addEventListener("visibilitychange", onVisibility);

  const news = newsSince();
  let fresh: Incident[] = [];
  let gathering: ReturnType<typeof setTimeout> | undefined;
  let flashing: ReturnType<typeof setTimeout> | undefined;

  function tell(): void {
    const worst = worstOf(fresh.map((incident) => incident.severity));
    const first = fresh.find((incident) => incident.severity === worst);
    fresh = [];
    if (worst === null || !first) return;
    if (sound.value === "on") play(tonesOf(worst));
    if (worst > 2) return;
    announcement.value = words.incident(first);
    flashFor(worst);
  }

  function flashFor(severity: Severity): void {
    flash.value = severity;
    clearTimeout(flashing);
    flashing = setTimeout(() => (flash.value = null), FLASH_MS);
  }

  watch(
    () => [board.isLoaded.value, mine.seat.value, [...board.incidents.values()]] as const,
    ([isLoaded, seat]) => {
      if (!isLoaded) return;
      const came = news({ incidents: board.incidents, isDealt: seat.is_dealt, rows: seat.rows });
      const outside = came.filter((incident) => !looking.isIn(incident)).map((incident) => incident.incident_id);
      if (outside.length > 0) {
        const still = [...cameOutside.value].filter((id) => board.incidents.has(id));
        cameOutside.value = new Set([...still, ...outside]);
      }
      // A row of one's own seat is one's own work, wherever it lies.
      fresh.push(...came.filter((one) => seat.is_dealt || looking.isIn(one) || looking.isTold(one)));
      if (fresh.length === 0) return;
      gathering ??= setTimeout(() => {
        gathering = undefined; // what comes without a pause is told of all the same
        tell();
      }, GATHER_MS);
    },
    { immediate: true },
  );

  const calls = callsForHelp();
  /** A worker who calls for help is heard whatever the page is narrowed to, and after a mute if nobody has answered. */
  watch(
    () => [board.isLoaded.value, sound.value, [...board.incidents.values()]] as const,
    ([isLoaded, how, incidents]) => {
      if (!isLoaded) return;
      const { fresh: asked, unheard } = calls.look(incidents);
      if (asked[0]) {
        helpSaid.value = words.help(asked[0], asked.length);
        flashFor(1);
      }
      if (unheard.length === 0 || how !== "on") return;
      play(HELP_TONES);
      calls.heard();
    },
    { immediate: true },
  );

  onScopeDispose(() => {
    document.removeEventListener("pointerdown", onPress);
    document.removeEventListener("keydown", onPress);
    document.removeEventListener("visibilitychange", onVisibility);
    clearTimeout(gathering);
    clearTimeout(flashing);
    void player?.close();
  });

  /** Those of them that still wait and are still outside, most severe first. */
  const outside = computed(() =>
    [...cameOutside.value]
      .flatMap((id) => board.incidents.get(id) ?? [])
      .filter((incident) => incident.state === "open" && !looking.isIn(incident))
      .sort((a, b) => a.severity - b.severity),
  );
  const seenOutside = (): void => void (cameOutside.value = new Set());

  return {
    sound,
    isAwake,
    mutedForS,
    flash,
    announcement,
    helpSaid,
    hiddenMs,
    outside,
    seenOutside,
    test,
    heard,
    toggleMute,
    wake,
  };
}

export type Alarm = ReturnType<typeof useAlarm>;
