// The built package behind a pipe, for tests/web: one JSON request a line in, one JSON answer a line out.
import * as readline from "node:readline";
import * as Y from "yjs";
import { anchorOf, colorOf, LibraryClient, Offsets, personOf, plainText, resolve } from "../dist/index.js";
import { seed } from "../dist/library/bodies.js";
import { compareText, keyBetween, placed } from "../dist/library/order.js";
import { suggest } from "../dist/library/positions.js";
import * as schema from "../dist/library/schema.js";
import { CloseCode, retryAfter } from "../dist/protocol/closeCodes.js";
import { decodeFrame, encodeMessage } from "../dist/protocol/messages.js";
import { decodeAnswer, encodePoll, PollStream } from "../dist/protocol/pollStream.js";
import { splitUpdate } from "../dist/protocol/split.js";
import { renewAfterMs } from "../dist/provider/credentials.js";

let now = 0;
Date.now = () => now;
performance.now = () => now;

const libraries = new Map();
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const unhex = (text) => new Uint8Array(Buffer.from(text, "hex"));
const bytesIn = (value) => JSON.parse(JSON.stringify(value, (_key, part) => (part instanceof Uint8Array ? { hex: hex(part) } : part)));
const bytesOut = (value) =>
  value && typeof value === "object"
    ? "hex" in value
      ? unhex(value.hex)
      : Object.fromEntries(Object.entries(value).map(([key, part]) => [key, bytesOut(part)]))
    : value;

const edits = {
  addHighlight: (library, [made]) => library.addHighlight(made),
  editHighlight: (library, [id, change]) => library.editHighlight(id, change),
  reanchor: (library, [id, anchor]) => library.reanchor(id, anchor),
  addNote: (library, [made]) => library.addNote(made),
  editNote: (library, [id, change]) => library.editNote(id, change),
  addCollection: (library, [made]) => library.addCollection(made),
  editCollection: (library, [id, change]) => library.editCollection(id, change),
  addToCollection: (library, [id, items, before]) => library.addToCollection(id, items, before),
  removeFromCollection: (library, [id, items]) => library.removeFromCollection(id, items),
  trash: (library, [id]) => library.trash(id),
  restore: (library, [id]) => library.restore(id),
  purge: (library, [id]) => library.purge(id),
};

const calls = {
  schema: () => Object.fromEntries(Object.entries(schema).filter(([, value]) => typeof value !== "function")),
  splitFieldKey: (key) => schema.splitFieldKey(key),
  keys: ({ a, b }) => [schema.fieldKey(a, b), schema.tagKey(a, b), schema.memberKey(a, b), schema.noteRoot(a), schema.positionKey(a, b)],
  closeCodes: () => Object.entries(CloseCode).map(([name, code]) => [name, code, retryAfter(code)]),
  retryAfter: (code) => retryAfter(code),
  encode: (message) => hex(encodeMessage(bytesOut(message))),
  decode: (frame) => bytesIn(decodeFrame(unhex(frame))),
  encodePoll: ({ kind, session, wait, most, received, first, data }) =>
    hex(encodePoll(kind, unhex(session), wait, most, { received, first, data: unhex(data) })),
  decodeAnswer: (body) => bytesIn(decodeAnswer(unhex(body))),
  stream: (frames) => {
    const stream = new PollStream();
    for (const frame of frames) stream.send(unhex(frame));
    return hex(stream.piece(2 ** 20).data);
  },
  split: ({ update, most }) => splitUpdate(unhex(update), most).map(hex),
  person: (state) => personOf(state),
  color: (subject) => colorOf(subject),
  renewAfterMs: (ms) => renewAfterMs(ms),
  keyBetween: ({ left, right, id }) => keyBetween(left, right, id),
  placed: ({ members, index, id }) => [...placed(members, index, id)],
  sorted: (texts) => texts.sort(compareText),
  seed: ({ id, text }) => hex(seed(id, text, () => false)),
  suggest: ({ positions, declined, samePlace }) => suggest(positions, declined, samePlace),
  plainText: ({ update, root }) => {
    const doc = new Y.Doc();
    Y.applyUpdate(doc, unhex(update));
    return plainText(doc.getXmlFragment(root));
  },
  anchorOf: ({ text, start, end }) => {
    const offsets = new Offsets(text);
    return anchorOf(offsets, offsets.toUtf16(start), offsets.toUtf16(end));
  },
  resolve: ({ text, anchor }) => {
    const offsets = new Offsets(text);
    const { verdict, range } = resolve(offsets, anchor);
    return { verdict, range: range && range.map((at) => offsets.fromUtf16(at)) };
  },
  open: ({ name, author }) => {
    libraries.set(name, new LibraryClient(new Y.Doc(), author));
  },
  edit: ({ name, edit, at, given }) => {
    now = at;
    edits[edit](libraries.get(name), given);
  },
  undo: ({ name, at }) => {
    now = at;
    return libraries.get(name).undo();
  },
  redo: ({ name, at }) => {
    now = at;
    return libraries.get(name).redo();
  },
  steps: (name) => [libraries.get(name).canUndo, libraries.get(name).canRedo],
  noteBody: ({ name, id, at }) => {
    now = at;
    return plainText(libraries.get(name).noteBody(id));
  },
  put: ({ name, root, key, value }) => {
    libraries.get(name).doc.getMap(root).set(key, value);
  },
  vector: (name) => hex(Y.encodeStateVector(libraries.get(name).doc)),
  diff: ({ name, vector }) => hex(Y.encodeStateAsUpdate(libraries.get(name).doc, unhex(vector))),
  apply: ({ name, update }) => Y.applyUpdate(libraries.get(name).doc, unhex(update)),
  organised: ({ name, work }) => {
    const library = libraries.get(name);
    return {
      tags: library.tags(),
      collections: Object.fromEntries(library.collections().map(({ id }) => [id, library.collectionItems(id).map((item) => item.id)])),
      bookmarks: library.highlights({ kind: "bookmark" }).map(({ id }) => id),
      positions: library.positions(work),
    };
  },
  values: (name) => {
    const library = libraries.get(name);
    const both = (list) => [false, true].flatMap((trashed) => list.call(library, { trashed }));
    return { highlights: both(library.highlights), notes: both(library.notes), collections: both(library.collections) };
  },
};

readline
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { call, argument } = JSON.parse(line);
    let answer;
    try {
      answer = { result: calls[call](argument) ?? null };
    } catch (error) {
      answer = { error: error.name, message: error.message };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  })
  .on("close", () => process.exit(0));
