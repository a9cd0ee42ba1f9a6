// Writes docs/reference-web.md out of the types and comments that the package ships; --check says whether it is up to date.
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import ts from "typescript";

const web = resolve(import.meta.dirname, "..");
const page = resolve(web, "../docs/reference-web.md");
const ENTRIES = { "crdt-sync": "dist/index.d.ts", "crdt-sync/react": "dist/react/index.d.ts" };
const HIDDEN = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;
const FLAT = ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.UseSingleQuotesForStringLiteralType;

const files = Object.values(ENTRIES).map((entry) => resolve(web, entry));
const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };
const program = ts.createProgram(files, { ...options, strict: true, jsx: ts.JsxEmit.ReactJSX, skipLibCheck: true, types: [] });
const checker = program.getTypeChecker();

/** The comment of a symbol or signature in one paragraph, and what it throws. */
function said(symbol) {
  const text = ts.displayPartsToString(symbol.getDocumentationComment(checker)).replace(/\s*\n\s*/g, " ").trim();
  const thrown = symbol.getJsDocTags(checker).filter(({ name }) => name === "throws");
  const throws = thrown.map(({ text: parts }) => {
    const [, error, rest] = /^\{?([\w.]+)\}?\s*(.*)$/s.exec(ts.displayPartsToString(parts)) ?? [];
    return ` Throws \`${error}\` ${rest.replace(/\s*\n\s*/g, " ")}`;
  });
  return text + throws.join("");
}

const isShown = (symbol) =>
  !symbol.name.startsWith("_") &&
  (symbol.declarations ?? []).every((each) => !(ts.getCombinedModifierFlags(each) & HIDDEN)) &&
  (symbol.declarations ?? []).some((each) => !program.isSourceFileDefaultLibrary(each.getSourceFile()));

function member(symbol, prefix = "") {
  const [declaration] = symbol.declarations;
  const type = checker.getTypeOfSymbolAtLocation(symbol, declaration);
  const isOptional = symbol.flags & ts.SymbolFlags.Optional;
  const signatures = symbol.flags & ts.SymbolFlags.Method ? type.getCallSignatures() : [];
  const shown = signatures.length
    ? signatures.map((each) => `${symbol.name}${checker.signatureToString(each, declaration, FLAT)}`)
    : [`${symbol.name}${isOptional ? "?" : ""}: ${checker.typeToString(type, declaration, FLAT)}`];
  const text = said(symbol);
  return shown.map((each) => `- \`${prefix}${each}\`${text ? `: ${text}` : ""}`);
}

function lines(symbol) {
  const { name, flags } = symbol;
  const [declaration] = symbol.declarations;
  const text = said(symbol);
  const about = text ? [text, ""] : [];
  if (flags & ts.SymbolFlags.Class) {
    const type = checker.getDeclaredTypeOfSymbol(symbol);
    const constructors = checker.getTypeOfSymbol(symbol).getConstructSignatures().filter(({ declaration: each }) =>
      each && !program.isSourceFileDefaultLibrary(each.getSourceFile()) && !(ts.getCombinedModifierFlags(each) & HIDDEN));
    const made = constructors.map((each) => {
      const about = said(each);
      return `- \`new ${name}${checker.signatureToString(each, declaration, FLAT).replace(/: \w+$/, "")}\`${about && `: ${about}`}`;
    });
    const statics = [...(symbol.exports?.values() ?? [])].filter((each) => each.name !== "prototype" && isShown(each));
    const members = checker.getPropertiesOfType(type).filter(isShown);
    return [`### \`class ${name}\``, "", ...about, ...made, ...statics.flatMap((each) => member(each, `${name}.`)), ...members.flatMap((each) => member(each))];
  }
  if (flags & ts.SymbolFlags.Interface) {
    const members = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol)).filter(isShown);
    return [`### \`interface ${name}\``, "", ...about, ...members.flatMap((each) => member(each))];
  }
  if (flags & ts.SymbolFlags.TypeAlias) return [`### \`type ${name}\``, "", ...about, "```ts", declaration.getText().replace(/^export /, "").replace("declare ", ""), "```"];
  const type = checker.getTypeOfSymbolAtLocation(symbol, declaration);
  const signatures = type.getCallSignatures().map((each) => `\`${name}${checker.signatureToString(each, declaration, FLAT)}\``);
  if (signatures.length) return [`### \`${name}()\``, "", ...signatures, "", ...about];
  return [`### \`${name}\``, "", `\`${checker.typeToString(type, declaration, FLAT)}\``, "", ...about];
}

const parts = [
  "# The browser's package",
  "",
  "<!-- made by `npm run reference` in web/; do not edit -->",
  "",
  "What `crdt-sync` and `crdt-sync/react` export. [browsers.md](browsers.md) and [react.md](react.md) show how to use it.",
];
for (const [name, file] of Object.entries(ENTRIES)) {
  parts.push("", `## ${name}`);
  const module = checker.getSymbolAtLocation(program.getSourceFile(resolve(web, file)));
  const found = checker.getExportsOfModule(module).sort((one, other) => (one.name < other.name ? -1 : 1));
  for (const each of found) {
    const symbol = each.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(each) : each;
    parts.push("", ...lines(symbol));
  }
}
const text = `${parts.join("\n").replace(/\n{3,}/g, "\n\n").trimEnd()}\n`;
if (process.argv.includes("--check")) {
  if (readFileSync(page, "utf8") !== text) throw new Error("docs/reference-web.md is not up to date: npm run reference");
} else writeFileSync(page, text);
