// @vitest-environment node
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as Y from "yjs";
import { LibraryClient } from "../src/library/client";
import { ReadingPlace } from "../src/library/readingPlace";
import { RelayProvider } from "../src/provider/provider";
import type { ProviderOptions } from "../src/provider/provider";
import type { Connect } from "../src/transport/transport";
import { device as deviceOf, holds, set, until } from "./devices";
import { Relay } from "./relay";

const relay = new Relay();

beforeAll(() => relay.start());
afterAll(() => relay.stop());

const device = (room: string, options: Partial<ProviderOptions> = {}) => deviceOf({ relay: relay.url, room, ...options });

describe.each(["websocket", "polling"] as const)("over %s", (transport) => {
  test("two devices meet, and what was stored is confirmed", async () => {
    const room = `meet-${transport}`;
    const one = device(room, { transport });
    set(one, "h/color", "green");
    expect(one.status.pending).toBe(1);
    expect(await one.synced(10_000)).toBe(true);
    expect(one.status).toMatchObject({ state: "connected", transport, confirmsStorage: true, pending: 0, lastError: null });
    expect(one.status.durableAtMs).toBeGreaterThan(0);
    const two = device(room, { transport });
    await holds(two, "h/color", "green");
    set(two, "h/color", "blue");
    await holds(one, "h/color", "blue");
    expect(await two.synced(10_000)).toBe(true);
  });

  test("presence comes, changes and goes with its device", async () => {
    const room = `presence-${transport}`;
    const [one, two] = [device(room, { transport }), device(room, { transport })];
    two.awareness.setLocalState({ user: { name: "Ada" } });
    const seen = (name: string | undefined) =>
      new Promise<void>((resolve) => {
        const look = () => {
          const state = one.awareness.getStates().get(two.awareness.clientID) as { user: { name: string } } | undefined;
          if (state?.user.name === name) resolve();
        };
        one.awareness.on("change", look);
        look();
      });
    await seen("Ada");
    two.awareness.setLocalState({ user: { name: "Grace" } });
    await seen("Grace");
    two.disconnect();
    await seen(undefined);
  });
});

test("edits made while the relay is dead wait, and go out when it is back, and none that it had is lost", async () => {
  const own = new Relay();
  await own.start();
  try {
    const [one, two] = [device("killed", { relay: own.url }), device("killed", { relay: own.url })];
    set(one, "a", 1);
    await holds(two, "a", 1);
    await own.kill();
    await until(one, (status) => status.state === "waiting");
    set(one, "b", 2);
    set(two, "c", 3);
    expect(one.status.pending).toBe(1);
    await own.start();
    one.reconnect();
    two.reconnect();
    await Promise.all([holds(two, "b", 2), holds(one, "c", 3)]);
    expect(await one.synced(10_000)).toBe(true);
  } finally {
    await own.stop();
  }
});

test("a network that lets no WebSocket through is noticed at once, and left when it lets one through", async () => {
  let blocked = true;
  const { websocketConnect } = await import("../src/transport/websocket");
  const { roomUrl } = await import("../src/transport/transport");
  const real = websocketConnect(roomUrl(relay.url, "blocked", "websocket"));
  const refusing = websocketConnect("ws://127.0.0.1:9/blocked"); // nobody listens on the discard port
  const websocket: Connect = (token, events) => (blocked ? refusing : real)(token, events);
  const one = device("blocked", { io: { websocket } });
  set(one, "a", 1);
  expect(await one.synced(10_000)).toBe(true);
  expect(one.status.transport).toBe("polling");
  blocked = false;
  one.reconnect();
  await until(one, (status) => status.transport === "websocket" && status.state === "connected");
  set(one, "b", 2);
  expect(await one.synced(10_000)).toBe(true);
  const two = device("blocked");
  await Promise.all([holds(two, "a", 1), holds(two, "b", 2)]);
});

test("a relay that nobody can reach is waited for, by WebSocket", async () => {
  const one = device("unreachable", { relay: "ws://127.0.0.1:9" });
  const status = await until(one, ({ state }) => state === "waiting");
  expect(status.lastError).toMatch(/cannot be reached/);
  expect(status.retryAtMs).toBeGreaterThan(Date.now() - 1);
  expect(await one.synced(50)).toBe(false);
});

test.each([
  ["ftp://relay.example", "room"],
  ["not a url", "room"],
  ["ws://relay.example", ""],
  ["ws://relay.example", "a/../b"], // a browser would make it "b"
  ["ws://relay.example", "a//b"],
  ["ws://relay.example", "a\nb"],
  ["ws://relay.example", "ä".repeat(257)],
])("%s with room %j is refused with a reason", (url, room) => {
  expect(() => new RelayProvider(new Y.Doc(), { relay: url, room, connect: false })).toThrow(TypeError);
});

test("a place that was told waits as an edit does, and so many pages of a minute are one", () => {
  const one = device("places", { connect: false });
  const place = new ReadingPlace(new LibraryClient(one.doc), { work: "w" });
  for (let page = 1; page <= 30; page++) place.moved({ source: `p${page}` });
  expect(one.status.pending).toBe(1); // as tests/storage/test_reading.py has it of the engine
  place.leave();
  expect(one.status.pending).toBe(2);
  place.leave();
  expect(one.status.pending).toBe(2);
});
