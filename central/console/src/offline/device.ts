/**
 * Whose phone this is: opens what it keeps, and decides what somebody else's sign-in or a sign-out means for it.
 *
 * Invariants
 *   - What is kept belongs to one person; another person's sign-in never sends it, shows it, or deletes unsent acts
 *     without having been asked.
 *   - Without the centre, tasks can be read for KEPT_FOR_MS after it last said that the session stands; then their text
 *     is wiped. Unsent acts and photographs stay until they are sent or the person gives them up.
 */
import type { User } from "../api/types.ts";
import { KeptInMemory, looseOf, type Kept } from "./kept.ts";
import { KeptInBrowser } from "./kept_in_browser.ts";

/** As long as a session lasts: a shift. */
export const KEPT_FOR_MS = 12 * 3600_000;

export interface Held {
  /** Of the person whose unsent work is on this device. */
  name: string;
  unsent: number;
}

let opened: Promise<Kept> | null = null;

export function keptHere(): Promise<Kept> {
  opened ??= KeptInBrowser.open().catch(() => new KeptInMemory());
  return opened;
}

/** Makes this device this user's. Answers with what stands in the way; nothing is changed then. */
export async function claim(kept: Kept, user: User, nowMs: number): Promise<Held | null> {
  const owner = await kept.owner();
  if (owner && owner.user.user_id !== user.user_id) {
    const unsent = await unsentOf(kept);
    if (unsent > 0) return { name: owner.user.display_name, unsent };
    await kept.wipe();
  }
  if (user.role === "worker") await kept.putOwner({ user, at: new Date(nowMs).toISOString() });
  return null;
}

/** A desk's sign-in: nothing is opened on a computer that never was a phone. */
export async function claimHere(user: User): Promise<Held | null> {
  if (user.role !== "worker" && !(await KeptInBrowser.isThere())) return null;
  return claim(await keptHere(), user, Date.now());
}

/** Who may read on without the centre; text that has become too old is wiped. */
export async function ownerWithoutCentre(kept: Kept, nowMs: number): Promise<User | null> {
  const owner = await kept.owner();
  if (!owner) return null;
  const ageMs = Math.abs(nowMs - Date.parse(owner.at)); // a clock set back must not keep it readable for ever
  if (ageMs < KEPT_FOR_MS) return owner.user;
  await kept.forgetTasks();
  return null;
}

/** The session is over, and not by a sign-out: nothing can be read any more; what is unsent waits for its owner. */
export async function endReading(kept: Kept): Promise<void> {
  const owner = await kept.owner();
  if (!owner) return;
  await kept.forgetTasks();
  await kept.putOwner({ ...owner, at: new Date(0).toISOString() });
}

/** Acts that the centre has not got, and photographs that belong to no act yet. */
export async function unsentOf(kept: Kept): Promise<number> {
  const acts = await kept.acts();
  return acts.length + looseOf(await kept.photos(), acts).length;
}
