/** What a severity sounds like, on the command page and on the phone: moments in seconds, and pitches in hertz. */
import type { Severity } from "../api/types.ts";

export interface Tone {
  at: number;
  lasts: number;
  hertz: number;
}

/** 1: three high pairs; 2: two pairs; 3: one; 4: none, it is read. */
const PAIRS: Record<Severity, number> = { 1: 3, 2: 2, 3: 1, 4: 0 };
const HIGH: Record<Severity, number> = { 1: 1175, 2: 880, 3: 659, 4: 0 };
const TONE_S = 0.16;
const PAIR_S = 0.5;

export function tonesOf(severity: Severity): Tone[] {
  const tones: Tone[] = [];
  for (let pair = 0; pair < PAIRS[severity]; pair += 1) {
    tones.push({ at: pair * PAIR_S, lasts: TONE_S, hertz: HIGH[severity] });
    tones.push({ at: pair * PAIR_S + TONE_S, lasts: TONE_S, hertz: HIGH[severity] * 0.75 });
  }
  return tones;
}

/** A worker calls for help: two pitches in turn, low and high, as no incident sounds. */
export const HELP_TONES: readonly Tone[] = Array.from({ length: 8 }, (_, turn) => ({
  at: turn * 0.25,
  lasts: 0.22,
  hertz: turn % 2 === 0 ? 523 : 1046,
}));

export const TEST_TONES: readonly Tone[] = [0, 0.35, 0.7].map((at) => ({ at, lasts: 0.22, hertz: 880 }));

/** Of several that came at once only the worst is played: fifty tones together say nothing. */
export function worstOf(severities: Iterable<Severity>): Severity | null {
  let worst: Severity | null = null;
  for (const one of severities) if (worst === null || one < worst) worst = one;
  return worst;
}

export function lengthOf(tones: readonly Tone[]): number {
  return tones.reduce((end, tone) => Math.max(end, tone.at + tone.lasts), 0);
}

/** By a player that a press has woken; a sleeping one plays nothing. */
export function playTones(player: AudioContext, tones: readonly Tone[]): void {
  for (const tone of tones) {
    const oscillator = player.createOscillator();
    const loudness = player.createGain();
    const from = player.currentTime + 0.02 + tone.at;
    oscillator.frequency.value = tone.hertz;
    loudness.gain.setValueAtTime(0, from);
    loudness.gain.linearRampToValueAtTime(0.35, from + 0.015);
    loudness.gain.setValueAtTime(0.35, from + tone.lasts - 0.03);
    loudness.gain.linearRampToValueAtTime(0, from + tone.lasts);
    oscillator.connect(loudness).connect(player.destination);
    oscillator.start(from);
    oscillator.stop(from + tone.lasts);
  }
}
