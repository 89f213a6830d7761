/**
 * The list of a phone that is being opened, asked for while the centre is still asked whose session this is: over a slow
 * line either answer takes longer than to draw the list. It is shown once, and read again right after by the page itself,
 * so that nothing is lost that was offered before the page listened.
 */
import { tasks } from "@/api/calls";
import type { Task } from "@/api/types";

let asked: Promise<Task[] | null> | null = null;

export function askEarly(): void {
  asked = tasks.open().then(
    ({ items }) => items,
    () => null,
  );
}

/** Once; null when it was not asked for, or not answered. */
export async function takeEarly(): Promise<Task[] | null> {
  const found = asked;
  asked = null;
  return found;
}

/** Somebody else's from now on. */
export function dropEarly(): void {
  asked = null;
}
