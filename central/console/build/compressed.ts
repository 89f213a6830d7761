/**
 * Each text file of the build lies beside itself compressed once more, as the centre hands it to a browser that can read
 * that: over a slow line the program's bytes are most of the wait, and a centre that compressed at each request would pay
 * for it every morning.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import type { Plugin } from "vite";

const TEXTS = /\.(js|css|html|svg|webmanifest)$/;
/** Below this a packet is a packet. */
const WORTH_BYTES = 1024;

export function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    writeBundle({ dir }) {
      if (!dir) throw new Error("the build has no folder");
      for (const name of readdirSync(dir, { recursive: true, encoding: "utf8" })) {
        if (TEXTS.test(name)) compress(join(dir, name));
      }
    },
  };
}

function compress(path: string): void {
  const bytes = readFileSync(path);
  if (bytes.length < WORTH_BYTES) return;
  writeFileSync(`${path}.gz`, gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }));
  const params = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params }));
}
