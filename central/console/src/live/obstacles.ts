/** Why a page cannot say that somebody is at its seat. Pure. */

/** Of the command page's tones: "off" until a shift has begun with a test tone that was heard; "asleep" after a reload,
 * until somebody has pressed something. */
export type Sound = "off" | "testing" | "asleep" | "on" | "muted";
export type Obstacle = "not_begun" | "hidden" | "muted" | "asleep" | "lost" | "away";

/** So long the seat counts as staffed while its person works on another page of the console. */
export const AWAY_MS = 300_000;

export interface Page {
  sound: Sound;
  /** The browser plays tones: after a reload only once somebody has pressed something. */
  isAwake: boolean;
  isVisible: boolean;
  /** Nothing was heard on the event stream for too long. */
  isLost: boolean;
  /** Since the command page was left; 0 on it. */
  awayMs: number;
}

/** The first that a person would have to put right; null: somebody can see and hear this seat. */
export function obstacleOf(page: Page): Obstacle | null {
  if (page.sound === "off" || page.sound === "testing") return "not_begun";
  if (page.isLost) return "lost";
  if (!page.isVisible) return "hidden";
  if (page.sound === "muted") return "muted";
  if (page.sound === "asleep" || !page.isAwake) return "asleep";
  return page.awayMs > AWAY_MS ? "away" : null;
}

/** What the command page shows may be old, or come unheard: it turns grey. */
export function turnsGrey(obstacle: Obstacle | null): boolean {
  return obstacle !== null && obstacle !== "not_begun" && obstacle !== "away";
}
