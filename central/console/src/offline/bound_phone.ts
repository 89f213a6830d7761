/**
 * This phone as an enrolled one: whose it is, its key, and how it goes on when its session has ended.
 *
 * Invariants
 *   - The private key lies in a storage of its own and cannot be read out; no wipe of what was kept touches it.
 *   - It opens no session of another person than the one it was enrolled for, and none after a sign-out, before that
 *     person presses for it.
 *   - Only the centre's "enrolled no more" makes the phone forget its key; no answer changes nothing.
 */
import Dexie, { type Table } from "dexie";

import { ApiProblem } from "../api/http.ts";
import { thisPhone } from "../api/phones.ts";
import type { Session } from "../api/types.ts";
import { browserName, makeKey, plainCode, publicPart, signed, toEnrol, toRenew } from "./phone_key.ts";

interface Bound {
  id: "bound";
  phoneId: string;
  userId: string;
  /** The person's, for the sign-in page. */
  name: string;
  key: CryptoKey;
  /** Signed out, or somebody else has signed in since: it goes on when its person presses for it. */
  isResting: boolean;
}

/** The key of an enrolment whose answer has not come: the centre answers this key again, and no other. */
interface Begun {
  id: "begun";
  code: string;
  pair: CryptoKeyPair;
}

export type Renewal = { kind: "opened"; session: Session } | { kind: "none" | "revoked" | "away" };

const NAME = "xueliang-bound-phone";

/** A browser offers keys only where nobody can change the page on its way. */
export const canBeBound = (): boolean => isSecureContext && globalThis.crypto?.subtle !== undefined;

let opened: Promise<Dexie> | null = null;

function database(): Promise<Dexie> {
  opened ??= (async () => {
    const db = new Dexie(NAME);
    db.version(1).stores({ bound: "id" });
    return db.open();
  })();
  return opened;
}

const storage = async (): Promise<Table<Bound, "bound">> => (await database()).table("bound");
const storageOfBegun = async (): Promise<Table<Begun, "begun">> => (await database()).table("bound");

/** Has this phone asked to be enrolled by this code, and got no answer? */
export async function hasBegunHere(code: string): Promise<boolean> {
  return (await (await storageOfBegun()).get("begun"))?.code === plainCode(code);
}

async function keyFor(code: string): Promise<CryptoKeyPair> {
  const table = await storageOfBegun();
  const begun = await table.get("begun");
  if (begun?.code === plainCode(code)) return begun.pair;
  const pair = await makeKey();
  await table.put({ id: "begun", code: plainCode(code), pair });
  return pair;
}

/** Enrols this phone; its first session. Asked again by the same code where no answer came. Throws ApiProblem, NoAnswer. */
export async function enrolHere(code: string, second: string): Promise<Session> {
  const table = await storage(); // before the code is used up: without a storage there is nothing to bind
  const pair = await keyFor(code);
  const { phone_id: phoneId, session } = await thisPhone.enrol({
    code: plainCode(code),
    key: await publicPart(pair),
    signature: await signed(toEnrol(code), pair.privateKey),
    name: browserName(navigator.userAgent),
    second,
  });
  const { user_id: userId, display_name: name } = session.user;
  await table.put({ id: "bound", phoneId, userId, name, key: pair.privateKey, isResting: false });
  await (await storageOfBegun()).delete("begun");
  void navigator.storage?.persist?.();
  return session;
}

/** `forUser`: who is signed in on this page, null: nobody. `isPressed`: the person asks for it, also after a sign-out. */
export async function renewHere(forUser: string | null, isPressed = false): Promise<Renewal> {
  const table = await storage();
  const bound = await table.get("bound");
  if (!bound || (forUser !== null && forUser !== bound.userId)) return { kind: "none" };
  if (bound.isResting && !isPressed) return { kind: "none" };
  try {
    const session = await renewed(bound);
    if (bound.isResting) await table.update("bound", { isResting: false });
    return { kind: "opened", session };
  } catch (error) {
    if (!(error instanceof ApiProblem)) return { kind: "away" };
    if (error.status === 429 || error.status >= 500) return { kind: "away" };
    if (error.problem.code !== "phone_revoked") return { kind: "none" };
    await table.delete("bound");
    return { kind: "revoked" };
  }
}

/** A challenge that was too long on its way is asked for once more. */
async function renewed(bound: Bound, isSecondTry = false): Promise<Session> {
  const { phoneId, key } = bound;
  const { challenge } = await thisPhone.challenge(phoneId);
  try {
    return await thisPhone.renew(phoneId, challenge, await signed(toRenew(phoneId, challenge), key));
  } catch (error) {
    const isRefused = error instanceof ApiProblem && error.problem.code === "phone_refused";
    if (!isRefused || isSecondTry) throw error;
    return renewed(bound, true);
  }
}

/** Whose phone this is; null: nobody's. */
export async function boundTo(): Promise<string | null> {
  return (await (await storage()).get("bound"))?.name ?? null;
}

/** Somebody has signed in, or (null) has signed out: the key rests unless it is its person who is there. */
export async function settle(userId: string | null): Promise<void> {
  const table = await storage();
  const bound = await table.get("bound");
  if (bound) await table.update("bound", { isResting: userId !== bound.userId });
}
