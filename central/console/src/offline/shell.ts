/** Which requests of a phone page its service worker answers from the kept shell. Pure. */

/** Written by the build (build/phone_shell.ts): every file that the phone's pages need, and the page they stand on. */
export interface Shell {
  version: string;
  /** Paths below this origin; their names change with their content. */
  files: string[];
  /** SHA-256 of phone.html: a page of another build would ask for files that are not kept. */
  pageSha256: string;
}

export interface Asked {
  method: string;
  mode: string;
  url: string;
}

export const CACHE_PREFIX = "phone-shell-";

/** "page": phone.html. "file": itself. Null: not ours; it goes to the network and is never kept. */
export function answerOf({ method, mode, url }: Asked, origin: string, shell: Shell): "page" | "file" | null {
  const address = new URL(url);
  if (method !== "GET" || address.origin !== origin) return null;
  if (mode === "navigate") return /^\/phone(\/|$)/.test(address.pathname) ? "page" : null;
  return shell.files.includes(address.pathname) && address.search === "" ? "file" : null;
}
