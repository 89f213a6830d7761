/**
 * What makes the phone's page installable: manifest, icons, and a service worker that knows the files of this build.
 * The worker is a file of its own, at the root: a worker may look after what lies beside and below it.
 */
import { createHash } from "node:crypto";

import type { Plugin } from "vite";

import type { Shell } from "../src/offline/shell.ts";
import { phoneIcon } from "./phone_icon.ts";

const WORKER = "phone-worker.js";
/** index.html, asking at once for the files that the list needs instead of one after the other. */
const PAGE = "phone.html";
const PLACE = "__PHONE_SHELL__";
/** Sources of the pages that a phone shows, the sign-in included; what they import comes along. */
const PAGES = ["src/main.ts", "src/pages/phone/index.ts", "src/pages/login/LoginPage.vue", "src/pages/login/PhoneSignIn.vue"];
/** What these load later belongs to the program as well; the router's other pages do not. */
const LOADED_LATER = /\/src\/(pages\/phone|offline)\//;

const MANIFEST = {
  id: "/phone",
  name: "雪亮网格员",
  short_name: "网格员",
  description: "接单、到场、拍照、处置；没有信号也能用。",
  lang: "zh-CN",
  start_url: "/phone",
  scope: "/phone",
  display: "standalone",
  orientation: "portrait",
  background_color: "#f2f4f7",
  theme_color: "#0b2440",
  icons: [
    { src: "/phone-icon-192.png", sizes: "192x192", type: "image/png" },
    { src: "/phone-icon-512.png", sizes: "512x512", type: "image/png" },
    { src: "/phone-icon-maskable.png", sizes: "512x512", type: "image/png", purpose: "maskable" },
  ],
};

export function phoneShell(): Plugin {
  return {
    name: "phone-shell",
    apply: "build",
    enforce: "post", // after index.html has been written
    buildStart() {
      this.emitFile({ type: "chunk", id: "src/offline/shell_worker.ts", fileName: WORKER });
    },
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        const index = bundle["index.html"];
        const worker = bundle[WORKER];
        if (index?.type !== "asset" || worker?.type !== "chunk") throw new Error("no index.html or no worker in the build");
        if (worker.imports.length > 0) throw new Error(`${WORKER} must stand alone, it imports ${worker.imports.join(", ")}`);
        const files = filesOf(bundle);
        const start = String(index.source);
        const page = start.replace("  </head>", `${linksOf(bundle, start)}  </head>`);
        this.emitFile({ type: "asset", fileName: PAGE, source: page });
        const pageSha256 = createHash("sha256").update(page).digest("hex");
        const version = createHash("sha256").update([worker.code, pageSha256, ...files].join("\n")).digest("hex").slice(0, 16);
        const shell: Shell = { version, files, pageSha256 };
        if (worker.code.split(PLACE).length !== 2) throw new Error(`${PLACE} must stand in ${WORKER} once`);
        worker.code = worker.code.replace(PLACE, () => JSON.stringify(shell));
        this.emitFile({ type: "asset", fileName: "phone.webmanifest", source: JSON.stringify(MANIFEST) });
        for (const [name, sizePx, isMaskable] of [
          ["phone-icon-192.png", 192, false],
          ["phone-icon-512.png", 512, false],
          ["phone-icon-maskable.png", 512, true],
        ] as const) {
          this.emitFile({ type: "asset", fileName: name, source: phoneIcon(sizePx, isMaskable) });
        }
      },
    },
  };
}

type Bundle = Parameters<Extract<NonNullable<Plugin["generateBundle"]>, (...all: never) => unknown>>[1];

/** Lines for what the phone's pages import at once, beside the files that `start` asks for already. */
function linksOf(bundle: Bundle, start: string): string {
  const chunks = Object.values(bundle).filter((one) => one.type === "chunk");
  const first = chunks.find((chunk) => Object.keys(chunk.modules).some((id) => id.endsWith("/src/pages/phone/index.ts")));
  if (!first) throw new Error("no page of the phone in the build");
  const scripts = [first.fileName, ...first.imports];
  const styles = scripts.flatMap((name) => stylesOf(bundle, name));
  const missing = (names: string[]): string[] => [...new Set(names)].filter((name) => !start.includes(`"/${name}"`));
  const links = [
    ...missing(scripts).map((name) => `rel="modulepreload" crossorigin href="/${name}"`),
    ...missing(styles).map((name) => `rel="stylesheet" crossorigin href="/${name}"`),
  ];
  return links.map((link) => `    <link ${link}>\n`).join("");
}

function stylesOf(bundle: Bundle, fileName: string): string[] {
  const chunk = bundle[fileName];
  return chunk?.type === "chunk" ? [...(chunk.viteMetadata?.importedCss ?? [])] : [];
}

/** The chunks of the phone's pages, all that they import at once or later, and the styles of each. */
function filesOf(bundle: Bundle): string[] {
  const chunks = Object.values(bundle).filter((one) => one.type === "chunk");
  const found = new Set<string>();
  const isOfPhone = (fileName: string): boolean => {
    const chunk = bundle[fileName];
    return chunk?.type === "chunk" && Object.keys(chunk.modules).some((id) => LOADED_LATER.test(id));
  };
  const add = (fileName: string): void => {
    const chunk = bundle[fileName];
    if (chunk?.type !== "chunk" || found.has(fileName)) return;
    found.add(fileName);
    for (const style of stylesOf(bundle, fileName)) found.add(style);
    chunk.imports.forEach(add);
    chunk.dynamicImports.filter(isOfPhone).forEach(add);
  };
  for (const source of PAGES) {
    const holding = chunks.filter((chunk) => Object.keys(chunk.modules).some((id) => id.split("?")[0]!.endsWith(`/${source}`)));
    if (holding.length === 0) throw new Error(`${source} is in no file of the build`);
    holding.forEach((chunk) => add(chunk.fileName));
  }
  return [...found].sort().map((fileName) => `/${fileName}`);
}
