/**
 * The list of a phone that is being opened, asked for while the centre is still asked whose session this is: over a slow
 * line either answer takes longer than to draw the list. It is shown once, and read again right after by the page itself,
 * so that nothing is lost that was offered before the page listened.
 */
import { tasks } from "../api/calls.ts";
import type { Task } from "../api/types.ts";

let asked: Promise<Task[] | null> | null = null;

export function askEarly(): void {
  asked = tasks.open().then(
    ({ items }) => items,
    () => null,
  );
}

/** Once; null when it was not asked for, not answered, or dropped before it was. */
export async function takeEarly(): Promise<Task[] | null> {
  const mine = asked;
  const found = await mine;
  if (asked !== mine) return null;
  asked = null;
  return found;
}

/** It is somebody else's from now on, or the list has been read since: what was offered then may be gone. */
export function dropEarly(): void {
  asked = null;
}
