/**
 * The phone's page as a program: its service worker, its manifest, installing it, and a new version that waits.
 * Only for pages below /phone, and only where the browser allows it: https, or this machine itself.
 */
import { ref, shallowRef } from "vue";

const WORKER = "/phone-worker.js";
const SCOPE = "/phone";
const LOOK_EVERY_MS = 3600_000;

/** What Chromium offers; other browsers install from their own menu. */
interface InstallEvent extends Event {
  prompt(): Promise<unknown>;
}

export const isSecure = isSecureContext;
export const isUpdateReady = ref(false);
/** Asks to install; null when the browser does not offer it, or it is installed. */
export const installer = shallowRef<(() => Promise<void>) | null>(null);

let registration: ServiceWorkerRegistration | null = null;
let isStarted = false;

/** Once per page. In `vite dev` there is no worker. */
export async function startProgram(): Promise<void> {
  if (isStarted) return;
  isStarted = true;
  addManifest();
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  try {
    registration = await navigator.serviceWorker.register(WORKER, { scope: SCOPE, updateViaCache: "none" });
  } catch {
    return; // the centre is away, or the browser forbids it: the page works as long as it is open
  }
  watchForUpdate(registration);
  document.addEventListener("visibilitychange", lookForUpdate);
  setInterval(lookForUpdate, LOOK_EVERY_MS);
}

function lookForUpdate(): void {
  if (document.visibilityState === "visible") void registration?.update().catch(() => undefined);
}

function watchForUpdate(watched: ServiceWorkerRegistration): void {
  const see = (): void => {
    isUpdateReady.value = watched.waiting !== null && watched.active !== null;
  };
  see();
  watched.addEventListener("updatefound", () => watched.installing?.addEventListener("statechange", see));
  navigator.serviceWorker.addEventListener("controllerchange", () => {
    isUpdateReady.value = false; // another page has started it
  });
}

/** Not by `controllerchange`: a page that was opened as /login has no controller until it is loaded again. */
export function startUpdate(): void {
  const fresh = registration?.waiting;
  if (!fresh) return;
  fresh.addEventListener("statechange", () => {
    if (fresh.state === "activated") location.reload(); // what waits to be sent is on the device: nothing is lost
  });
  fresh.postMessage("start");
}

/** Here and not in index.html: the command page is no program of the phone. */
function addManifest(): void {
  for (const [rel, href] of [
    ["manifest", "/phone.webmanifest"],
    ["apple-touch-icon", "/phone-icon-192.png"],
  ] as const) {
    const link = document.createElement("link");
    link.rel = rel;
    link.href = href;
    document.head.append(link);
  }
}

window.addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  installer.value = async () => {
    installer.value = null;
    await (event as InstallEvent).prompt();
  };
});
window.addEventListener("appinstalled", () => {
  installer.value = null;
});
