// @vitest-environment node
import { IDBFactory, IDBObjectStore } from "fake-indexeddb";
import * as fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import * as Y from "yjs";
import { LocalStore, NothingIsKept, storeName } from "../src/provider/localStore";
import { device } from "./devices";

beforeEach(() => vi.stubGlobal("indexedDB", new IDBFactory()));
afterEach(() => vi.unstubAllGlobals());

const NOBODY = { relay: "ws://127.0.0.1:9", room: "kept", connect: false };
const fields = (doc: Y.Doc) => doc.getMap("fields").toJSON();

async function visit(name = "kept"): Promise<{ doc: Y.Doc; store: LocalStore }> {
  const doc = new Y.Doc();
  return { doc, store: await LocalStore.open(name, doc) };
}

test("what was edited, and how much of it waits, is there at the next visit", async () => {
  const first = await visit();
  const before = device({ ...NOBODY, store: first.store }, first.doc);
  for (const each of ["a", "b", "c"]) first.doc.getMap("fields").set(each, 1);
  await before.flushed();
  expect(before.status.pending).toBe(3);
  before.destroy();
  await first.store.close();
  const second = await visit();
  expect(fields(second.doc)).toEqual({ a: 1, b: 1, c: 1 });
  expect(device({ ...NOBODY, store: second.store }, second.doc).status.pending).toBe(3);
});

test("a page that is killed leaves edit and count, or neither", async () => {
  const { doc, store } = await visit();
  device({ ...NOBODY, store }, doc);
  doc.getMap("fields").set("a", 1); // and nobody waits for anything
  const again = await visit();
  const waiting = [...again.store.pendingAtOpen.values()].reduce((sum, each) => sum + each.waiting, 0);
  expect(waiting).toBe(Object.keys(fields(again.doc)).length);
});

test("hundreds of rows become one, and what another tab wrote meanwhile is in it", async () => {
  const [one, two] = [await visit(), await visit()];
  two.doc.getMap("fields").set("of the other tab", true);
  await two.store.flushed();
  for (let n = 0; n < 600; n++) {
    one.doc.getMap("fields").set("n", n);
    if (n % 50 === 0) await one.store.flushed();
  }
  await one.store.flushed();
  await one.store.close();
  expect((await rows("updates")).length).toBeLessThan(200);
  expect(fields((await visit()).doc)).toEqual({ n: 599, "of the other tab": true });
});

test("a large library is kept in rows that any browser takes", async () => {
  const { doc, store } = await visit();
  for (let n = 0; n < 20; n++) doc.getMap("fields").set(`large/${n}`, "x".repeat(2 ** 20));
  for (let n = 0; n < 500; n++) doc.getMap("fields").set("n", n);
  await store.flushed();
  await store.close();
  const kept = await rows("updates");
  expect(kept.length).toBeLessThan(10);
  for (const row of kept) expect(row.length).toBeLessThanOrEqual(8 * 2 ** 20);
  expect(fields((await visit()).doc)).toEqual(fields(doc));
});

test("a damaged row hides no other, and is kept aside when rows become one", async () => {
  const first = await visit();
  first.doc.getMap("fields").set("a", 1);
  await first.store.close();
  await put("updates", new Uint8Array([255, 255, 1]));
  const second = await visit();
  expect(second.store.damagedRows).toBe(1);
  expect(device({ ...NOBODY, store: second.store }, second.doc).status.lastError).toMatch(/^1 edits .* cannot be read/);
  for (let n = 0; n < 600; n++) second.doc.getMap("fields").set("n", n);
  await second.store.flushed();
  await second.store.close();
  expect(fields((await visit()).doc)).toEqual({ a: 1, n: 599 });
  expect(await rows("damaged")).toEqual([new Uint8Array([255, 255, 1])]);
});

test("a full disk is told, and once there is room everything is written", async () => {
  const { doc, store } = await visit();
  const provider = device({ ...NOBODY, store }, doc);
  const full = vi.spyOn(IDBObjectStore.prototype, "add").mockImplementation(() => {
    throw new DOMException("no room", "QuotaExceededError");
  });
  doc.getMap("fields").set("a", 1);
  await store.flushed();
  expect(provider.status.lastError).toMatch(/could not store an edit: .*no room/);
  full.mockRestore();
  doc.getMap("fields").set("b", 2);
  await store.flushed();
  expect(provider.status.lastError).toBeNull();
  expect(fields((await visit()).doc)).toEqual({ a: 1, b: 2 });
});

test("a browser that refuses a database is told apart from an empty one", async () => {
  vi.stubGlobal("indexedDB", { open: () => { throw new DOMException("insecure", "SecurityError"); } });
  await expect(visit()).rejects.toThrow(NothingIsKept);
  vi.stubGlobal("indexedDB", undefined);
  await expect(visit()).rejects.toThrow(NothingIsKept);
});

test("a wipe with another tab open destroys the copy, and that tab's edits fail nowhere", async () => {
  const [one, two] = [await visit(), await visit()];
  one.doc.getMap("fields").set("secret", 1);
  await one.store.flushed();
  await one.store.wipe();
  two.doc.getMap("fields").set("later", 2);
  await two.store.flushed();
  expect(fields((await visit()).doc)).toEqual({});
});

test("what waits is forgotten only if its tab has edited no more", async () => {
  const one = await visit();
  one.store.setPending("one", { waiting: 1, made: 2 });
  await one.store.flushed();
  const { pendingAtOpen } = (await visit()).store;
  one.store.setPending("one", { waiting: 1, made: 3 }); // as many, but another
  await one.store.flushed();
  await one.store.dropPending(pendingAtOpen);
  const later = (await visit()).store.pendingAtOpen;
  expect(later).toEqual(new Map([["one", { waiting: 1, made: 3 }]]));
  await one.store.dropPending(later);
  expect((await visit()).store.pendingAtOpen).toEqual(new Map());
});

test("whatever tabs write, in whatever order, the next visit has all of it", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ tab: fc.nat(2), key: fc.nat(5), flush: fc.boolean() })), async (steps) => {
      vi.stubGlobal("indexedDB", new IDBFactory());
      const tabs = [await visit(), await visit(), await visit()];
      for (const [at, { tab, key, flush }] of steps.entries()) {
        tabs[tab]!.doc.getMap("fields").set(String(key), at);
        if (flush) await tabs[tab]!.store.flushed();
      }
      for (const { store } of tabs) await store.close();
      const merged = new Y.Doc();
      for (const { doc } of tabs) Y.applyUpdate(merged, Y.encodeStateAsUpdate(doc));
      expect(fields((await visit()).doc)).toEqual(fields(merged));
    }),
    { numRuns: 30 },
  );
});

test("relay, room and subject each make another store", () => {
  const names = [
    storeName("wss://a", "r", "s"),
    storeName("wss://a", "r", null),
    storeName("wss://b", "r", "s"),
    storeName("wss://a", "r/s", null),
    storeName("wss://a", "x", "s"),
  ];
  expect(new Set(names).size).toBe(names.length);
  expect(storeName("wss://a/", "r", "s")).toBe(names[0]);
});

function raw<Result>(store: string, work: (rows: IDBObjectStore) => unknown): Promise<Result> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("kept");
    opening.onsuccess = () => {
      const transaction = opening.result.transaction(store, "readwrite");
      const request = work(transaction.objectStore(store) as never) as { result: Result };
      transaction.oncomplete = () => {
        opening.result.close();
        resolve(request.result);
      };
      transaction.onabort = () => reject(transaction.error);
    };
  });
}

const rows = (store: string) => raw<Uint8Array[]>(store, (each) => each.getAll());
const put = (store: string, row: Uint8Array) => raw(store, (each) => each.add(row));
