/**
 * What the phone's pages share with other pages, as one file of the build instead of a dozen: over a slow line each file
 * is a wait of its own, and a browser asks one centre for six at a time.
 */
import type { GetManualChunk } from "rollup";

type Asked = Parameters<GetManualChunk>[1];

const PHONE = "/src/pages/phone/index.ts";
/** What these need is in their own files: every page loads the first, and the others load alone. */
const APART = ["/src/main.ts", "/src/pages/login/LoginPage.vue", "/src/offline/device.ts"];

/** By the source that is imported: every module that comes along with it. */
const reached = new Map<string, Set<string>>();

function reach(from: string, asked: Asked): Set<string> {
  const known = reached.get(from);
  if (known) return known;
  const found = new Set<string>();
  const add = (id: string): void => {
    if (found.has(id)) return;
    found.add(id);
    asked.getModuleInfo(id)?.importedIds.forEach(add);
  };
  add(from);
  reached.set(from, found);
  return found;
}

export function chunkOf(id: string, asked: Asked): string | undefined {
  if (/\.css$/.test(id)) return undefined; // the phone's look is no desk's
  const ids = [...asked.getModuleIds()];
  const source = (end: string): string => ids.find((one) => one.endsWith(end)) ?? end;
  if (!reach(source(PHONE), asked).has(id)) return undefined;
  if (APART.some((end) => reach(source(end), asked).has(id))) return undefined;
  const router = asked.getModuleInfo(source("/src/router.ts"));
  const others = router?.dynamicallyImportedIds.filter((page) => !page.endsWith(PHONE)) ?? [];
  return others.some((page) => reach(page, asked).has(id)) ? "shared" : undefined;
}
