/** An imported text becomes a body (docs/protocol.md, "The body of a note"): the same operations on every device. */
import { digest } from "lib0/hash/sha256";
import * as Y from "yjs";
import { BODY, FIELDS, fieldKey, noteRoot } from "../../../src/library/schema";

/** Returns the client id of the seed with this number. */
export function seedClient(id: string, text: string, number: number): number {
  const bytes = digest(new TextEncoder().encode(`crdt-sync body\n${id}\n${number}\n${text}`));
  let bits = 0n;
  for (const byte of bytes.subarray(0, 7)) bits = (bits << 8n) | BigInt(byte);
  return Number(bits >> 3n);
}

/** Returns the update that holds a text as the body of a note, and nothing else. */
export function seedOf(id: string, text: string, client: number): Uint8Array {
  const doc = new Y.Doc();
  doc.clientID = client;
  const body = doc.getXmlFragment(noteRoot(id));
  for (const line of text.split("\n")) {
    const paragraph = new Y.XmlElement("paragraph");
    body.push([paragraph]);
    if (line) paragraph.push([new Y.XmlText(line)]);
  }
  return Y.encodeStateAsUpdate(doc);
}

/** Makes an imported text editable, if the note has one and no body. */
export function seedBody(doc: Y.Doc, id: string, origin: unknown): void {
  const fields = doc.getMap(FIELDS);
  const text = fields.get(fieldKey(id, BODY));
  if (typeof text !== "string" || !text || doc.getXmlFragment(noteRoot(id)).length) return;
  let number = 0;
  while (doc.store.clients.has(seedClient(id, text, number))) number += 1;
  doc.transact(() => {
    Y.applyUpdate(doc, seedOf(id, text, seedClient(id, text, number)), origin);
    fields.delete(fieldKey(id, BODY));
  }, origin);
}
