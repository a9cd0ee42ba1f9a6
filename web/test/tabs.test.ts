// @vitest-environment node
import { IDBFactory } from "fake-indexeddb";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import * as Y from "yjs";
import type { RelayProvider } from "../src/provider/provider";
import { LibrarySession } from "../src/session";
import { device, holds, sees, set, until } from "./devices";
import { Relay } from "./relay";

const relay = new Relay();
beforeAll(() => relay.start());
afterAll(() => relay.stop());
beforeEach(() => vi.stubGlobal("indexedDB", new IDBFactory()));
afterEach(() => vi.unstubAllGlobals());

const tab = (room: string, options: { connect?: boolean; subject?: string } = {}) =>
  device({ relay: relay.url, room, tabs: true, ...options });

test("two tabs without a relay are in step, and what both edited reaches the relay from one of them", async () => {
  const [one, two] = [tab("offline", { connect: false }), tab("offline", { connect: false })];
  set(one, "a", 1);
  await holds(two, "a", 1);
  set(two, "b", 2);
  await holds(one, "b", 2);
  expect(one.status.pending).toBe(2);
  one.connect();
  expect(await one.synced(10_000)).toBe(true);
  const elsewhere = device({ relay: relay.url, room: "offline" });
  await Promise.all([holds(elsewhere, "a", 1), holds(elsewhere, "b", 2)]);
  two.connect();
  expect(await two.synced(10_000)).toBe(true);
});

test("what one tab has from the relay is no edit of another", async () => {
  const [one, two] = [tab("stored"), tab("stored", { connect: false })];
  await one.synced(10_000);
  const elsewhere = device({ relay: relay.url, room: "stored" });
  set(elsewhere, "a", 1);
  await Promise.all([holds(one, "a", 1), holds(two, "a", 1)]);
  expect(two.status.pending).toBe(0);
});

test("a tab's presence goes with it, also where no relay is", { timeout: 5000 }, async () => {
  const [one, two] = [tab("ghosts", { connect: false }), tab("ghosts", { connect: false })];
  two.awareness.setLocalState({ user: { name: "Ada" } });
  await sees(one, two);
  two.destroy();
  await sees(one, two, false);
});

test("two accounts in one browser do not meet", async () => {
  const [ada, bo] = [tab("same", { connect: false, subject: "ada" }), tab("same", { connect: false, subject: "bo" })];
  const second = tab("same", { connect: false, subject: "ada" });
  set(ada, "a", 1);
  await holds(second, "a", 1); // and a message to `bo` would have come before
  expect(bo.doc.getMap("fields").size).toBe(0);
});

test("a channel that brings what no tab of ours says is no trouble", async () => {
  const warned = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  const one = tab("garbage", { connect: false });
  const channel = new BroadcastChannel(`crdt-sync/${[relay.url, "garbage"].map(encodeURIComponent).join("/")}`);
  for (const message of [{ kind: "update", update: new Uint8Array([255]) }, { kind: "step1", stateVector: 5 }, null, { kind: "new" }])
    channel.postMessage(message);
  const two = tab("garbage", { connect: false });
  set(two, "a", 1);
  await holds(one, "a", 1);
  expect(warned).toHaveBeenCalled();
  channel.close();
});

test("signing out in one tab takes the library out of the browser, and the other tab says so and breaks nothing", async () => {
  const options = { relay: relay.url, room: "u/out", subject: "ada" };
  const [one, two] = [await LibrarySession.open(options), await LibrarySession.open(options)];
  const id = one.library.addHighlight({ anchor: { source: "Gen.1.1" } });
  await seen(two.provider, () => two.library.highlight(id));
  await one.wipe();
  const status = await until(two.provider, ({ state }) => state === "offline");
  expect(status.lastError).toMatch(/signed out in another tab/);
  two.library.editHighlight(id, { color: "blue" });
  two.provider.reconnect();
  expect(two.provider.status.state).toBe("offline");
  const again = await LibrarySession.open({ ...options, relay: "ws://127.0.0.1:9", tabs: false });
  expect(again.library.highlights()).toEqual([]);
  await Promise.all([again.close(), two.close()]);
});

test("what waits is counted over tabs and reloads, and is over once a relay has it", async () => {
  const options = { room: "u/waits", subject: "ada", tabs: false };
  const away = { ...options, relay: relay.url, transport: "websocket" as const };
  await relay.kill();
  const one = await LibrarySession.open(away);
  one.library.addHighlight({ id: "h", anchor: { source: "Gen.1.1" } });
  one.library.editHighlight("h", { color: "blue" });
  expect(one.provider.status.pending).toBe(2);
  await one.close();
  const two = await LibrarySession.open(away);
  expect(two.provider.status.pending).toBe(2);
  two.library.editHighlight("h", { color: "green" });
  expect(two.provider.status.pending).toBe(3);
  await relay.start();
  two.provider.reconnect();
  await until(two.provider, ({ pending, state }) => state === "connected" && pending === 0);
  await two.close();
  const three = await LibrarySession.open({ ...away, relay: relay.url });
  expect(three.provider.status.pending).toBe(0);
  await three.close();
});

function seen(provider: RelayProvider, look: () => unknown): Promise<void> {
  return new Promise((resolve) => {
    const check = () => {
      if (!look()) return;
      provider.doc.off("afterTransaction", check);
      resolve();
    };
    provider.doc.on("afterTransaction", check);
    check();
  });
}

test("a document that was there before its store is kept too", async () => {
  const { LocalStore } = await import("../src/provider/localStore");
  const doc = new Y.Doc();
  doc.getMap("fields").set("before", 1);
  const store = await LocalStore.open("early", doc);
  await store.close();
  const again = new Y.Doc();
  await (await LocalStore.open("early", again)).close();
  expect(again.getMap("fields").toJSON()).toEqual({ before: 1 });
});
