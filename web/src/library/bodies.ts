/**
 * The bodies of notes: XmlFragments as y-prosemirror keeps them. An editor edits them; here they are read as plain text,
 * and an imported text is put into one. `docs/protocol.md`, "The body of a note".
 */
import { digest } from "lib0/hash/sha256";
import * as Y from "yjs";
import * as schema from "./schema.js";

const TEXT_BLOCKS = new Set(["paragraph", "heading", "codeBlock", "code_block"]);
const HARD_BREAKS = new Set(["hardBreak", "hard_break"]);
const RULES = new Set(["horizontalRule", "horizontal_rule"]);
/** What is deeper is read as its text. */
const MAX_DEPTH = 32;

/** What a fragment holds: elements and texts, and the pieces of a text that Quill keeps in it. */
type Child = unknown;

/** Returns a body's words, a line for each block that holds text; a hard break and code have lines of their own. */
export function plainText(body: Y.XmlFragment): string {
  const children: Child[] = body.toArray();
  if (children.some((child) => typeof child === "string")) return quillText(children);
  return linesOf(children, 1).join("\n");
}

/** Returns the paragraphs of a text, an element for each line. */
export function paragraphs(text: string): Y.XmlElement[] {
  return text.split("\n").map((line) => {
    const element = new Y.XmlElement("paragraph");
    if (line) element.insert(0, [new Y.XmlText(line)]);
    return element;
  });
}

/**
 * Returns the update that puts an imported text into the empty body of a note. It follows from note and text alone, its
 * Yjs client id included: two devices which do this apart make the same operations, and one body.
 */
export function seed(noteId: string, text: string, knows: (clientId: number) => boolean): Uint8Array {
  const doc = new Y.Doc();
  let number = 0;
  do doc.clientID = seedClient(noteId, text, number++);
  while (knows(doc.clientID));
  const body = doc.getXmlFragment(schema.noteRoot(noteId));
  doc.transact(() => {
    for (const line of text.split("\n")) {
      const element = new Y.XmlElement("paragraph");
      body.push([element]);
      if (!line) continue;
      const words = new Y.XmlText();
      element.push([words]);
      words.insert(0, line);
    }
  });
  return Y.encodeStateAsUpdate(doc);
}

/** The first 53 bits of the SHA-256 of note, number and text. */
function seedClient(noteId: string, text: string, number: number): number {
  const hash = digest(new TextEncoder().encode(`crdt-sync body\n${noteId}\n${number}\n${text}`));
  return Number(new DataView(hash.buffer, hash.byteOffset).getBigUint64(0) >> 11n);
}

function linesOf(nodes: readonly Child[], depth: number): string[] {
  return nodes.flatMap((node) => {
    if (node instanceof Y.XmlText) return [wordsOf(node)];
    if (!(node instanceof Y.XmlElement)) return [];
    const children: Child[] = node.toArray();
    if (depth >= MAX_DEPTH) return [allWords(children)];
    if (TEXT_BLOCKS.has(node.nodeName) || children.some((child) => child instanceof Y.XmlText)) return [inlineOf(children)];
    return RULES.has(node.nodeName) ? [] : linesOf(children, depth + 1);
  });
}

function inlineOf(nodes: readonly Child[]): string {
  return nodes
    .map((node) => {
      if (node instanceof Y.XmlText) return wordsOf(node);
      if (!(node instanceof Y.XmlElement)) return "";
      return HARD_BREAKS.has(node.nodeName) ? "\n" : inlineOf(node.toArray());
    })
    .join("");
}

/** All text below, without recursion: a stranger may have nested it as deep as they like. */
function allWords(nodes: readonly Child[]): string {
  let words = "";
  const waiting = [...nodes].reverse();
  while (waiting.length) {
    const node = waiting.pop();
    if (node instanceof Y.XmlText) words += wordsOf(node);
    else if (node instanceof Y.XmlElement) waiting.push(...node.toArray().reverse());
  }
  return words;
}

const wordsOf = (text: Y.XmlText): string =>
  (text.toDelta() as { insert: unknown }[]).map(({ insert }) => (typeof insert === "string" ? insert : "")).join("");

/** Quill keeps a text in the root itself, its line ends included. */
function quillText(parts: readonly Child[]): string {
  const text = parts.map((part) => (typeof part === "string" ? part : "")).join("");
  return text.endsWith("\n") ? text.slice(0, -1) : text;
}
