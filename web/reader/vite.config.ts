/** Builds the reader into the relay's package, with everything compressed and a service worker that knows every file. */
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { defineConfig } from "vite";
import { compressed } from "./build/compressed.ts";
import { serviceWorker } from "./build/serviceWorker.ts";
import { writeText } from "./build/text.ts";

const here = import.meta.dirname;
const require = createRequire(import.meta.url);

export default defineConfig(() => {
  writeText(require.resolve("kjv/json/verses-1769.json"), resolve(here, ".text"));
  return {
    base: "./",
    resolve: {
      alias: {
        "crdt-sync/react": resolve(here, "../src/react/index.ts"),
        "crdt-sync": resolve(here, "../src/index.ts"),
        // React's interface in a tenth of its size: the hooks of the package run on both (web/test runs them on React)
        "react-dom/client": "preact/compat/client",
        "react-dom": "preact/compat",
        "react/jsx-runtime": "preact/jsx-runtime",
        react: "preact/compat",
      },
      // the package in ../src may have modules of its own beside it; two copies of Yjs would not know each other's types
      dedupe: ["lib0", "preact", "y-protocols", "yjs"],
    },
    build: {
      outDir: resolve(here, "../../server/crdt_sync_server/static"),
      emptyOutDir: true,
      target: "es2022",
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      chunkSizeWarningLimit: 600,
    },
    plugins: [serviceWorker(resolve(here, "src/serviceWorker.js")), compressed()],
  };
});
