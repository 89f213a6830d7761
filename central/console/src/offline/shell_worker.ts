/**
 * The phone's service worker: the program's own files, so that the page opens without a connection, and the page again
 * when somebody presses a notification that it showed. Nothing else.
 *
 * Invariants
 *   - Kept are the files of one build, whole or not at all: a version that cannot be fetched whole is not installed,
 *     and the one before it stays.
 *   - Answers of the API and pictures are never answered from here and never kept: nothing is written after the install.
 *   - A new version waits until every page of the old one is closed, or until the person says "now".
 */
import { answerOf, CACHE_PREFIX, type Shell } from "./shell.ts";

/** What of a service worker's world is used here: the compiler knows either pages or workers, not both. */
interface WorkerEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface AskedEvent extends WorkerEvent {
  request: Request;
  respondWith(answer: Promise<Response>): void;
}
interface PressedEvent extends WorkerEvent {
  notification: Notification;
}
interface PageClient {
  url: string;
  focus(): Promise<unknown>;
}
interface WorkerScope {
  clients: {
    claim(): Promise<void>;
    matchAll(of: { type: "window" }): Promise<PageClient[]>;
    openWindow(path: string): Promise<unknown>;
  };
  location: Location;
  addEventListener(kind: "install" | "activate", handler: (event: WorkerEvent) => void): void;
  addEventListener(kind: "fetch", handler: (event: AskedEvent) => void): void;
  addEventListener(kind: "notificationclick", handler: (event: PressedEvent) => void): void;
  addEventListener(kind: "message", handler: (event: MessageEvent) => void): void;
  skipWaiting(): Promise<void>;
}

declare const __PHONE_SHELL__: Shell;

const worker = self as unknown as WorkerScope;
const shell = __PHONE_SHELL__;
const cacheName = CACHE_PREFIX + shell.version;
const PAGE = "/phone";

async function install(): Promise<void> {
  const cache = await caches.open(cacheName);
  try {
    const page = await fetched(PAGE);
    const digest = await crypto.subtle.digest("SHA-256", await page.clone().arrayBuffer());
    const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (hex !== shell.pageSha256) throw new Error("the centre serves another build by now");
    await cache.put(PAGE, page);
    await Promise.all(shell.files.map(async (path) => cache.put(path, await fetched(path))));
  } catch (error) {
    await caches.delete(cacheName);
    throw error;
  }
}

/** What the page has loaded already is not fetched again: the name of an asset changes with its content. */
async function fetched(path: string): Promise<Response> {
  const cache = path.startsWith("/assets/") ? "default" : "no-cache";
  const response = await fetch(path, { cache, credentials: "same-origin" });
  if (!response.ok || response.redirected) throw new Error(`${path}: ${response.status}`);
  return response;
}

async function forgetOthers(): Promise<void> {
  await worker.clients.claim(); // a page that was opened before there was a worker; not one that was opened as /login
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(CACHE_PREFIX) && name !== cacheName).map((name) => caches.delete(name)));
}

/** From the shell; from the network where the browser has cleared the shell away. */
async function answer(request: Request, key: string): Promise<Response> {
  const cache = await caches.open(cacheName);
  return (await cache.match(key)) ?? fetch(request);
}

async function showPage(): Promise<void> {
  const pages = await worker.clients.matchAll({ type: "window" });
  const open = pages.find(({ url }) => new URL(url).pathname.startsWith(PAGE));
  await (open ? open.focus() : worker.clients.openWindow(PAGE));
}

worker.addEventListener("install", (event) => event.waitUntil(install()));
worker.addEventListener("activate", (event) => event.waitUntil(forgetOthers()));
worker.addEventListener("message", (event) => {
  if (event.data === "start") void worker.skipWaiting();
});
worker.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(showPage());
});
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const kind = answerOf(request, worker.location.origin, shell);
  if (kind) event.respondWith(answer(request, kind === "page" ? PAGE : new URL(request.url).pathname));
});
