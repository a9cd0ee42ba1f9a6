// @vitest-environment node
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeAll, expect, test } from "vitest";
import { build } from "vite";

const web = resolve(import.meta.dirname, "..");
/** What a page pays for the package, compressed, beside yjs, which it has anyhow; measured: 27.3 kB, and 29.8 with the hooks. */
const MOST_BYTES = { "index.js": 28_000, "react/index.js": 30_500 };

beforeAll(() => void execFileSync("npm", ["run", "--silent", "build"], { cwd: web }), 60_000);

test("every export of package.json is there, with types, and node takes it as it is", async () => {
  const { exports, files } = JSON.parse(readFileSync(resolve(web, "package.json"), "utf8")) as {
    exports: Record<string, Record<string, string>>;
    files: string[];
  };
  for (const paths of Object.values(exports))
    for (const path of Object.values(paths)) {
      expect(readFileSync(resolve(web, path), "utf8").length).toBeGreaterThan(0);
      expect(files.some((each) => path.startsWith(`./${each}/`))).toBe(true);
    }
  const script = "import('crdt-sync').then((m) => console.log(typeof m.LibrarySession, typeof m.RelayProvider))";
  expect(execFileSync("node", ["--input-type=module", "-e", script], { cwd: web, encoding: "utf8" })).toBe("function function\n");
});

test.each(Object.entries(MOST_BYTES))("%s is small", async (entry, most) => {
  const bundle = await build({
    configFile: false,
    logLevel: "error",
    build: {
      write: false,
      target: "es2022",
      minify: true,
      lib: { entry: resolve(web, "dist", entry), formats: ["es"] },
      rolldownOptions: { external: [/^react/, "yjs"] },
    },
  });
  const outputs = [bundle].flat().flatMap((each) => ("output" in each ? each.output : []));
  const code = outputs.map((each) => (each.type === "chunk" ? each.code : "")).join("");
  const bytes = gzipSync(code, { level: 9 }).length;
  console.log(`${entry}: ${bytes} bytes compressed`);
  expect(bytes).toBeLessThan(most);
});

test("docs/reference-web.md is what the types and comments say", () => {
  execFileSync("node", ["test/reference.mjs", "--check"], { cwd: web, stdio: "pipe" });
});
