/** Writes the service worker with the list of what the build made: what the page is made of, and the text. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Plugin } from "vite";

export function serviceWorker(source: string): Plugin {
  return {
    name: "service-worker",
    apply: "build",
    enforce: "post",
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        const names = Object.keys(bundle).sort();
        const isText = (name: string) => name.endsWith(".json");
        const shell = ["./", "icon.svg", "reader.webmanifest", ...names.filter((name) => !isText(name) && name !== "index.html")];
        const hash = createHash("sha256").update(JSON.stringify(names)).update(readFileSync(source));
        for (const name of names) {
          const made = bundle[name]!;
          hash.update(made.type === "asset" ? made.source : made.code);
        }
        const files = { version: hash.digest("hex").slice(0, 16), shell, text: names.filter(isText) };
        const code = readFileSync(source, "utf-8").replace("__FILES__", () => JSON.stringify(files));
        this.emitFile({ type: "asset", fileName: basename(source), source: code });
      },
    },
  };
}
