/** Who is signed in on this page. The session itself is an HttpOnly cookie that scripts never see. */
import { computed, ref } from "vue";

import { session } from "@/api/calls";
import { ApiProblem, useCsrf, whenSignedOut } from "@/api/http";
import type { Session, User } from "@/api/types";

export const user = ref<User | null>(null);
export const isWorker = computed(() => user.value?.role === "worker");

let restored = false;
const watchers: (() => void)[] = [];

export function onSignOut(handler: () => void): void {
  watchers.push(handler);
}

function adopt(opened: Session): void {
  useCsrf(opened.csrf);
  user.value = opened.user;
}

function forget(): void {
  if (!user.value) return;
  user.value = null;
  useCsrf("");
  for (const handler of watchers) handler();
}

whenSignedOut(forget);

/** Ask once per page load whether the cookie still stands. Throws NoAnswer when the centre is away. */
export async function restore(): Promise<User | null> {
  if (restored) return user.value;
  try {
    adopt(await session.read());
  } catch (error) {
    if (!(error instanceof ApiProblem)) throw error;
  }
  restored = true;
  return user.value;
}

export async function signIn(username: string, password: string): Promise<User> {
  const opened = await session.open(username, password);
  adopt(opened);
  restored = true;
  return opened.user;
}

export async function signOut(): Promise<void> {
  await session.close().catch(() => undefined);
  forget();
}
