// Writes docs/reference-web.md out of the comments in src; with --check it only says whether that is up to date.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as td from "typedoc";

const web = resolve(import.meta.dirname, "..");
const page = resolve(web, "../docs/reference-web.md");
const head = `# The browser's package

<!-- made by \`npm run reference\` in web/; do not edit -->

What \`crdt-sync\` and \`crdt-sync/react\` export. [browsers.md](browsers.md) and [react.md](react.md) show how to use it.
`;

async function markdownOf(entry) {
  const out = mkdtempSync(join(tmpdir(), "crdt-sync-reference-"));
  try {
    const app = await td.Application.bootstrapWithPlugins({
      plugin: ["typedoc-plugin-markdown"],
      entryPoints: [join(web, entry)],
      tsconfig: join(web, "tsconfig.build.json"),
      outputFileStrategy: "modules",
      readme: "none",
      disableSources: true,
      excludePrivate: true,
      excludeInternal: true,
      excludeExternals: true,
      hidePageHeader: true,
      hidePageTitle: true,
      hideBreadcrumbs: true,
      useCodeBlocks: true,
      parametersFormat: "list",
      interfacePropertiesFormat: "table",
      typeDeclarationFormat: "table",
      expandObjects: true,
      validation: { notExported: false },
      logLevel: "Error",
    });
    const project = await app.convert();
    if (!project || app.logger.hasErrors()) throw new Error("typedoc could not read the package");
    await app.generateDocs(project, out);
    return readFileSync(join(out, "README.md"), "utf8");
  } finally {
    rmSync(out, { recursive: true });
  }
}

const parts = [head];
for (const [name, entry] of [["crdt-sync", "src/index.ts"], ["crdt-sync/react", "src/react/index.ts"]]) {
  const body = (await markdownOf(entry)).replace(/^#/gm, "##").replace(/^\*\*\*$\n*/gm, "").replace(/\(README\.md(#[^)]*)?\)/g, "($1)");
  parts.push(`## \`${name}\`\n\n${body.trim()}\n`);
}
const text = parts.join("\n");
if (process.argv.includes("--check")) process.exit(readFileSync(page, "utf8") === text ? 0 : 1);
writeFileSync(page, text);
