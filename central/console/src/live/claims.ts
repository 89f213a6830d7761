/**
 * Who has which case open: what others see of this page, and this page of others.
 *
 * `useClaims` of the page listens, and tells the centre which cases are open here, again every RENEW_MS as long as the
 * page lives. Renewals of others are not told by the stream: when a claim of theirs would lapse, the list is read again.
 */
import { onScopeDispose, reactive, ref, watch, type Ref } from "vue";

import { seat as seatCalls } from "@/api/calls";
import type { Claim } from "@/api/types";

import { onSignOut, user } from "./account";
import { listen } from "./feed";
import { may } from "./rights";

const RENEW_MS = 20_000;
/** Asked a moment later: then it has either been renewed or is over. */
const LATER_MS = 1_000;
/** The centre takes so many at once. */
const MOST = 200;

/** By incident; the own ones among them. */
const claims = reactive(new Map<string, Claim>());
/** Cases that somebody took over while they were open here. */
const lost = reactive(new Set<string>());

/** Who else has this case open; null: nobody, or only this person. */
export function claimOfAnother(incidentId: string): Claim | null {
  const claim = claims.get(incidentId);
  return claim && claim.by.user_id !== user.value?.user_id ? claim : null;
}

/** It was open here first, and another person has taken it over. */
export function isTakenOver(incidentId: string): boolean {
  return lost.has(incidentId) && claimOfAnother(incidentId) !== null;
}

/** One act: what another person has open is this person's from now on. False: the centre gave no answer. */
export async function takeOver(incidentId: string): Promise<boolean> {
  const answer = await seatCalls.claim([incidentId], [], true).catch(() => null);
  if (!answer) return false;
  lost.delete(incidentId);
  adopt([incidentId], answer.items);
  return true;
}

function adopt(asked: readonly string[], found: readonly Claim[]): void {
  asked.forEach((id) => claims.delete(id));
  found.forEach(take);
}

function take(claim: Claim | { incident_id: string; by: null }): void {
  const me = user.value?.user_id;
  const id = claim.incident_id;
  if (claim.by === null) {
    claims.delete(id);
    return;
  }
  if (claims.get(id)?.by.user_id === me && claim.by.user_id !== me) lost.add(id);
  if (claim.by.user_id === me) lost.delete(id);
  claims.set(id, claim);
}

/** Of a page: the cases that are open on it now. Until the page goes. */
export function useClaims(opened: Ref<readonly string[]>): void {
  const hasFailed = ref(false);
  let asking: ReturnType<typeof setTimeout> | null = null;
  let told: readonly string[] = [];

  async function readAll(): Promise<void> {
    const answer = await seatCalls.claims().catch(() => null);
    hasFailed.value = answer === null;
    if (answer) adopt([...claims.keys()], answer.items);
    askAgain();
  }

  function askAgain(): void {
    if (asking) clearTimeout(asking);
    const theirs = [...claims.values()].filter((claim) => claim.by.user_id !== user.value?.user_id);
    const soonest = Math.min(...theirs.map((claim) => claim.lapses_in_s * 1000));
    const waitMs = hasFailed.value ? RENEW_MS : soonest;
    asking = Number.isFinite(waitMs) ? setTimeout(() => void readAll(), Math.max(0, waitMs) + LATER_MS) : null;
  }

  async function say(now: readonly string[]): Promise<void> {
    if (!may(user.value?.role, "claim")) return;
    const left = told.filter((id) => !now.includes(id));
    const open = now.slice(0, MOST);
    told = open;
    left.forEach((id) => lost.delete(id));
    if (open.length === 0 && left.length === 0) return;
    const answer = await seatCalls.claim([...open], left, false).catch(() => null);
    if (answer) adopt([...open, ...left], answer.items);
    askAgain();
  }

  const stopListening = listen({
    onEvent: (event) => {
      if (event.kind !== "claim") return;
      take(event.claim);
      askAgain();
    },
    onResume: () => void readAll(),
  });
  const renewing = setInterval(() => void say(told), RENEW_MS);
  watch(() => opened.value.join(" "), () => void say(opened.value), { immediate: true });
  void readAll();
  onScopeDispose(() => {
    stopListening();
    clearInterval(renewing);
    void say([]).finally(() => {
      if (asking) clearTimeout(asking);
    });
  });
}

onSignOut(() => {
  claims.clear();
  lost.clear();
});
