// @vitest-environment node
import { afterAll, beforeAll, expect, test } from "vitest";
import * as Y from "yjs";
import { splitUpdate } from "../src/protocol/split";
import { device as deviceOf, holds } from "./devices";
import { Relay } from "./relay";

const MIB = 2 ** 20;
const relay = new Relay(["--max-message-bytes", String(9 * MIB)]);
const TEXT = "x".repeat(MIB / 4);

beforeAll(() => relay.start());
afterAll(() => relay.stop());

/** Puts more into the document than one message may have, in one transaction, with something deleted. */
const fill = (doc: Y.Doc, name: string) =>
  doc.transact(() => {
    const fields = doc.getMap("fields");
    for (let at = 0; at < 80; at++) fields.set(`${name}/${at}`, TEXT + String(at));
    fields.delete(`${name}/0`);
    fields.set(`${name}/whole`, true);
  });

test.each(["websocket", "polling"] as const)(
  "a library above the relay's message limit goes out in pieces over %s, and so does one large edit",
  { timeout: 60_000 },
  async (transport) => {
    const options = { relay: relay.url, room: `large-${transport}`, transport };
    const doc = new Y.Doc();
    fill(doc, "before");
    const one = deviceOf(options, doc);
    expect(await one.synced(30_000)).toBe(true);
    const two = deviceOf(options);
    await holds(two, "before/whole", true); // the relay's answer is one message: it bounds what comes to it
    expect(two.doc.getMap("fields").size).toBe(80);
    fill(doc, "after");
    await holds(two, "after/whole", true);
    expect(await one.synced(30_000)).toBe(true);
    expect(one.status).toMatchObject({ lastError: null, pending: 0 });
    expect(Y.encodeStateVector(two.doc)).toEqual(Y.encodeStateVector(doc));
    expect(two.doc.getMap("fields").has("before/0")).toBe(false);
  },
);

test("a small update stays as it is, and what cannot be cut says so", () => {
  const doc = new Y.Doc();
  doc.getMap("fields").set("a", 1);
  const update = Y.encodeStateAsUpdate(doc);
  expect(splitUpdate(update, update.length)).toEqual([update]);
  const bytes = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));
  expect(() => splitUpdate(bytes("02010100840200016101020084010001620000"), 4)).toThrow("wait for one another");
  expect(() => splitUpdate(bytes("010201000a030401017401610000"), 4)).toThrow("holes");
});
