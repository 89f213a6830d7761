/**
 * Who is signed in on this page. The session itself is an HttpOnly cookie that scripts never see.
 *
 * A phone without a connection opens for the person whose it is (`offline/device.ts`): then `isProven` is false until
 * the centre has confirmed the session, and nothing is sent before that. One that is enrolled opens a new session by its
 * own key when the last has ended, and asks nobody (`offline/bound_phone.ts`).
 */
import { computed, ref, shallowRef } from "vue";

import { session } from "@/api/calls";
import { ApiProblem, NoAnswer, csrfToken, useCsrf, whenSignedOut, whenTokenIsMissing, whenTokenIsStale } from "@/api/http";
import type { SecondFactor, Session, User } from "@/api/types";
import type { Held } from "@/offline/device";

import { dropEarly } from "./early_list";

/** How long a phone that could open without the centre waits for it. */
const PATIENCE_MS = 4_000;
/**
 * A sign-out that the centre has not heard of: the cookie still stands, and only the centre can end it. Says whose by
 * the beginning of the session's token, or ANY where it was not known.
 */
const SIGN_OUT_DUE = "xueliang.sign-out-due";
const ANY = "1";

/** "bound": this is an enrolled phone. "revoked": it was one, until it was taken away. Known without its storage. */
const PHONE_MARK = "xueliang.phone";

export const user = ref<User | null>(null);
export const isWorker = computed(() => user.value?.role === "worker");
/** A screen on a wall, and nobody before it. */
export const isWall = computed(() => user.value?.role === "viewer");
/** Keeps the accounts, and sees nothing of the streets: the accounts page is where this person works. */
export const keepsAccounts = computed(() => user.value?.role === "security");
export const factor = ref<SecondFactor | null>(null);
/** The centre answers nothing else before a second factor is enrolled. */
export const mustEnrol = computed(() => factor.value?.must_enrol ?? false);
export const isProven = ref(false);
/** The session of a desk has ended while its page was open: the page stays as it is, behind the sign-in. */
export const isExpired = ref(false);
/** Another person's unsent work on this device: this user decides about it before anything else. */
export const held = shallowRef<Held | null>(null);

/** The page is a wall: nobody is before it to sign in again, and what it knew stays in sight. */
export const isUnattended = ref(false);

/** Counts the people this page has been opened for: with each the page is made anew. */
export const persons = ref(0);

export const phoneMark = ref(localStorage.getItem(PHONE_MARK));
/** Counts the sessions that this page has opened by the phone's key. */
export const renewals = ref(0);

let hasAnswer = false;
const watchers: (() => void)[] = [];

export function onSignOut(handler: () => void): void {
  watchers.push(handler);
}

/** Loaded only when needed: a desk never opens the phone's storage. */
const device = () => import("@/offline/device");
const boundPhone = () => import("@/offline/bound_phone");

function markPhone(mark: "bound" | "revoked" | null): void {
  if (mark) localStorage.setItem(PHONE_MARK, mark);
  else localStorage.removeItem(PHONE_MARK);
  phoneMark.value = mark;
}

async function adopt(opened: Session, isNew: boolean): Promise<void> {
  if (isNew || opened.user.role === "worker") {
    held.value = await device().then(({ claimHere }) => claimHere(opened.user));
  }
  if (user.value && user.value.user_id !== opened.user.user_id) {
    forget(); // somebody else has signed in on this device: nothing of the first person stays on the screen
    persons.value += 1;
  }
  useCsrf(opened.csrf);
  owners.set(opened.csrf, opened.user.user_id);
  hasAnswer = true;
  isProven.value = true;
  factor.value = opened.second_factor;
  if (user.value?.user_id !== opened.user.user_id) user.value = opened.user;
  goOn(true);
}

/** What waits for the session to be opened again: acts of the open page. */
const waiting: ((isOpened: boolean) => void)[] = [];

function goOn(isOpened: boolean): void {
  isExpired.value = false;
  for (const one of waiting.splice(0)) one(isOpened);
}

/**
 * The session has ended, and nobody has pressed *sign out*. What a desk has in hand (a draft, words half typed) stays on
 * the page, which is covered until the same person has signed in again; true then. A phone keeps its acts on the device,
 * and a wall has none.
 */
async function expire(): Promise<boolean> {
  if (phoneMark.value === "bound") {
    const end = await renewByKey();
    if (end === "opened") return true;
    if (end === "away") {
      isProven.value = false; // asked again with the next that is sent
      return false;
    }
  }
  return ended();
}

let byKey: Promise<"opened" | "none" | "away"> | null = null;

/** The phone's own key opens a new session. "away": it may, once the centre answers. */
function renewByKey(isPressed = false): Promise<"opened" | "none" | "away"> {
  byKey ??= boundPhone()
    .then(({ renewHere }) => renewHere(user.value?.user_id ?? null, isPressed))
    .then(async (end) => {
      if (end.kind === "revoked") markPhone("revoked");
      if (end.kind !== "opened") return end.kind === "away" ? "away" : "none";
      await (isPressed ? take(end.session) : adopt(end.session, false));
      renewals.value += 1;
      return "opened";
    })
    .catch((): "away" => "away")
    .finally(() => {
      byKey = null;
    });
  return byKey;
}

async function ended(): Promise<boolean> {
  if (!user.value || isWorker.value || isUnattended.value) {
    forget();
    return false;
  }
  isProven.value = false;
  isExpired.value = true;
  useCsrf("");
  return new Promise((resolve) => waiting.push(resolve));
}

export function forget(): void {
  isProven.value = false;
  dropEarly();
  goOn(false);
  if (!user.value) return;
  user.value = null;
  factor.value = null;
  useCsrf("");
  for (const handler of watchers) handler();
}

whenSignedOut(expire);

/** Whose each token of this page was. */
const owners = new Map<string, string>();
let renewing: Promise<void> | null = null;

/** `sentWith`: the token that was refused. True: there is another one by now, and for the same person. */
whenTokenIsStale(async (sentWith) => {
  const isRenewed = (): boolean =>
    user.value !== null && owners.get(sentWith) === user.value.user_id && !["", sentWith].includes(csrfToken());
  if (isRenewed()) return true; // by another request
  if (localStorage.getItem(SIGN_OUT_DUE)) return false; // it is the sign-out that was refused
  renewing ??= ask()
    .catch(() => undefined)
    .finally(() => {
      renewing = null;
    });
  await renewing;
  return isRenewed();
});

/** Ask the centre whether the cookie still stands. Throws NoAnswer when it is away. */
async function ask(): Promise<void> {
  try {
    const opened = await session.read();
    const due = localStorage.getItem(SIGN_OUT_DUE);
    if (due === ANY || due === markOf(opened.csrf)) await endDueSession(opened);
    else {
      localStorage.removeItem(SIGN_OUT_DUE); // of the session before this one
      await (hasCome() ? take(opened) : adopt(opened, false));
    }
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.status !== 401) throw error;
    const end = phoneMark.value === "bound" ? await renewByKey() : "none";
    if (end === "away") throw new NoAnswer(error);
    if (end === "none") void ended();
  }
  hasAnswer = true;
}

/** Tells sessions apart, and is no token. */
function markOf(csrf: string): string {
  return csrf ? csrf.slice(0, 12) : ANY;
}

/** Just back from the identity provider, with a session: a sign-in as by password, and not yet gone on from. */
function hasCome(): boolean {
  return location.pathname === "/login" && new URLSearchParams(location.search).get("sso") === "done";
}

async function endDueSession(opened: Session): Promise<void> {
  useCsrf(opened.csrf);
  await session.close();
  useCsrf("");
  localStorage.removeItem(SIGN_OUT_DUE);
}

/** Ask once per page load. Throws NoAnswer when the centre is away and this is nobody's phone. */
export async function restore(): Promise<User | null> {
  if (hasAnswer || user.value) return user.value;
  const asked = ask();
  asked.catch(() => undefined); // without a connection it fails while the device is still asked whose phone this is
  const owner = await ownerOfPhone();
  if (!owner) {
    await asked;
    return user.value;
  }
  await Promise.race([asked.catch(() => undefined), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
  if (!hasAnswer) user.value = owner;
  return user.value;
}

async function ownerOfPhone(): Promise<User | null> {
  if (!location.pathname.startsWith("/phone") || localStorage.getItem(SIGN_OUT_DUE)) return null;
  return device()
    .then(async ({ keptHere, ownerWithoutCentre }) => ownerWithoutCentre(await keptHere(), Date.now()))
    .catch(() => null);
}

/** A phone that was opened without the centre has no token yet: the first thing it writes waits for one. */
whenTokenIsMissing(async () => user.value === null || isExpired.value || prove());

/** True once the centre has confirmed who this is. */
export async function prove(): Promise<boolean> {
  if (isProven.value) return true;
  try {
    await ask();
  } catch {
    return false;
  }
  return isProven.value;
}

/** False: the password was right, and a code is asked now (`enterCode`). */
export async function signIn(username: string, password: string): Promise<boolean> {
  const opened = await session.open(username, password);
  if ("second_step" in opened) return false;
  await take(opened);
  return true;
}

export async function enterCode(code: string): Promise<void> {
  await take(await session.enterCode(code));
}

/** This phone has just been enrolled. */
export async function takeEnrolled(opened: Session): Promise<void> {
  markPhone("bound");
  await take(opened);
}

/** By the key of this phone, as its person has pressed for it. False: it is enrolled no more. Throws NoAnswer. */
export async function signInByPhone(): Promise<boolean> {
  const end = await renewByKey(true);
  if (end === "away") throw new NoAnswer("the phone's key was not asked for");
  return end === "opened";
}

async function take(opened: Session): Promise<void> {
  dropEarly();
  localStorage.removeItem(SIGN_OUT_DUE);
  if (phoneMark.value === "revoked") markPhone(null);
  if (phoneMark.value === "bound") await settlePhone(opened.user.user_id);
  await adopt(opened, true);
}

/** After the own second factor has changed. */
export async function readFactor(): Promise<void> {
  factor.value = (await session.read()).second_factor;
}

/** A storage that does not answer keeps nobody from signing in or out. */
async function settlePhone(userId: string | null): Promise<void> {
  await boundPhone()
    .then(({ settle }) => settle(userId))
    .catch(() => undefined);
}

/** Wipes what this device keeps of the person; whoever calls it has warned of what is unsent. */
export async function signOut(): Promise<void> {
  const isOwnPhone = held.value === null && isWorker.value;
  localStorage.setItem(SIGN_OUT_DUE, markOf(csrfToken()));
  if (phoneMark.value === "bound") await settlePhone(null); // first: nothing that is still asked opens another session
  await session.close().then(
    () => localStorage.removeItem(SIGN_OUT_DUE),
    (error: unknown) => {
      if (error instanceof ApiProblem && error.status === 401) localStorage.removeItem(SIGN_OUT_DUE);
    },
  );
  if (isOwnPhone) await device().then(async ({ keptHere }) => (await keptHere()).wipe());
  held.value = null;
  forget();
}

/** The person at the device has decided: the other's unsent work goes. */
export async function takeDevice(): Promise<void> {
  const { claimHere, keptHere } = await device();
  await (await keptHere()).wipe();
  if (user.value) held.value = await claimHere(user.value);
}
