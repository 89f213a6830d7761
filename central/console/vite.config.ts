import { fileURLToPath, URL } from "node:url";

import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

import { chunkOf } from "./build/chunks.ts";
import { compressed } from "./build/compressed.ts";
import { phoneShell } from "./build/phone_shell.ts";

// Where `vite dev` finds a running centre; the built console is served by the centre itself.
const centre = process.env.XUELIANG_CENTRE ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [vue(), phoneShell(), compressed()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  server: { host: "127.0.0.1", proxy: { "/api": centre } },
  build: {
    target: "es2022",
    outDir: process.env.XUELIANG_CONSOLE_OUT ?? "../xueliang_central/console_build",
    emptyOutDir: true,
    license: { fileName: "licenses.md" },
    // The page's policy allows scripts from 'self' only: no inlined assets that would need data: for scripts or fonts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { output: { manualChunks: chunkOf, onlyExplicitManualChunks: true } },
  },
});
