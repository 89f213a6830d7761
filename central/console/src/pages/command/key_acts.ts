/** The command page by keyboard alone: which key does what. Pure; `keys.ts` listens. */
import type { MoveName } from "../../api/types.ts";

export type Act =
  | { kind: "step"; by: 1 | -1 }
  | { kind: "next" }
  | { kind: "close" }
  | { kind: "help" }
  | { kind: "mute" }
  | { kind: "scope" }
  | { kind: "widen" }
  | { kind: "page" }
  | { kind: "look" }
  | { kind: "fold" }
  | { kind: "tick" }
  | { kind: "tickAll" }
  | { kind: "take_over" }
  | { kind: "raise" }
  | { kind: "move"; name: MoveName };

const MOVES: Record<string, MoveName> = {
  c: "confirm",
  d: "dispatch",
  f: "false_alarm",
  p: "permitted",
  u: "duplicate",
  x: "close",
  r: "reopen",
};

/** Shown in the help sheet, in this order: keys and the word that says what they do. */
export const SHEET: readonly (readonly [keys: string, word: string])[] = [
  ["J ↓", "keys.down"],
  ["K ↑", "keys.up"],
  ["N", "keys.next"],
  ["C", "keys.confirm"],
  ["D", "keys.dispatch"],
  ["F", "keys.false_alarm"],
  ["P", "keys.permitted"],
  ["U", "keys.duplicate"],
  ["X", "keys.close"],
  ["R", "keys.reopen"],
  ["E", "keys.fold"],
  ["V", "keys.tick"],
  ["A", "keys.tickAll"],
  ["1 … 9", "keys.reason"],
  ["Enter", "keys.submit"],
  ["T", "keys.takeOver"],
  ["S", "keys.raise"],
  ["L", "keys.look"],
  ["O", "keys.page"],
  ["G", "keys.scope"],
  ["B", "keys.widen"],
  ["M", "keys.mute"],
  ["Esc", "keys.escape"],
  ["?", "keys.help"],
];

export interface Pressed {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  isComposing: boolean;
  repeat: boolean;
}

/** Null: not ours. Held down, only the steps through the list repeat: a move is one press. */
export function actOf(pressed: Pressed): Act | null {
  if (pressed.ctrlKey || pressed.metaKey || pressed.altKey || pressed.isComposing) return null;
  switch (pressed.key) {
    case "j":
    case "ArrowDown":
      return { kind: "step", by: 1 };
    case "k":
    case "ArrowUp":
      return { kind: "step", by: -1 };
  }
  if (pressed.repeat) return null;
  switch (pressed.key) {
    case "n":
      return { kind: "next" };
    case "e":
      return { kind: "fold" };
    case "v":
      return { kind: "tick" };
    case "a":
      return { kind: "tickAll" };
    case "l":
      return { kind: "look" };
    case "t":
      return { kind: "take_over" };
    case "s":
      return { kind: "raise" };
    case "o":
      return { kind: "page" };
    case "g":
      return { kind: "scope" };
    case "b":
      return { kind: "widen" };
    case "m":
      return { kind: "mute" };
    case "?":
      return { kind: "help" };
    case "Escape":
      return { kind: "close" };
  }
  const name = MOVES[pressed.key];
  return name ? { kind: "move", name } : null;
}

/** The incident that a step leads to; at the ends it stays. */
export function stepped(ids: readonly string[], selected: string | null, by: 1 | -1): string | null {
  if (ids.length === 0) return null;
  const at = selected === null ? -1 : ids.indexOf(selected);
  if (at < 0) return by > 0 ? ids[0]! : ids.at(-1)!;
  return ids[Math.min(ids.length - 1, Math.max(0, at + by))]!;
}

/** The most pressing one that waits for a judgement, and is not the one at hand. */
export function nextToJudge(
  ids: readonly string[],
  selected: string | null,
  isToJudge: (id: string) => boolean,
): string | null {
  return ids.find((id) => id !== selected && isToJudge(id)) ?? null;
}
