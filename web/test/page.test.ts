// @vitest-environment jsdom
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { device, holds, sees, set, until } from "./devices";
import { Relay } from "./relay";

const relay = new Relay();
beforeAll(() => {
  Object.assign(globalThis, { WebSocket }); // jsdom's forgets what was sent in the turn in which it is closed
  return relay.start();
});
afterAll(() => relay.stop());

const fire = (name: string, persisted = true) => window.dispatchEvent(Object.assign(new Event(name), { persisted }));

test.each(["websocket", "polling"] as const)("over %s a page that goes is gone, and is back when it comes back", async (transport) => {
  const room = `page-${transport}`;
  vi.stubGlobal("window", undefined); // the other one is no page: what happens to this one does not happen to it
  const other = device({ relay: relay.url, room });
  vi.unstubAllGlobals();
  const one = device({ relay: relay.url, room, transport });
  one.awareness.setLocalState({ user: { name: "Ada" } });
  await Promise.all([sees(other, one), one.synced(10_000)]);
  set(one, "last", 1); // and the page goes at once
  fire("pagehide");
  await Promise.all([sees(other, one, false), holds(other, "last", 1)]);
  expect(one.awareness.getLocalState()).toBeNull();
  set(one, "hidden", 2);
  fire("pageshow");
  await Promise.all([sees(other, one), holds(other, "hidden", 2)]);
  expect(one.awareness.getLocalState()).toEqual({ user: { name: "Ada" } });
  expect(await one.synced(10_000)).toBe(true);
});

test("a device that is offline says so at once, comes back at once, and never blames the network for it", async () => {
  const one = device({ relay: relay.url, room: "offline" });
  for (let round = 0; round < 4; round++) {
    await until(one, ({ state }) => state === "connected");
    fire("offline");
    const status = await until(one, ({ state }) => state === "waiting");
    expect(status.lastError).toBe("this device is offline");
    set(one, "n", round);
    expect(one.status.pending).toBe(1);
    fire("online");
    expect(await one.synced(10_000)).toBe(true);
    expect(one.status).toMatchObject({ transport: "websocket", lastError: null });
  }
});

test("a machine that has slept asks the relay, and leaves one that does not answer", { timeout: 60_000 }, async () => {
  const own = new Relay();
  await own.start();
  const one = device({ relay: own.url, room: "slept" });
  expect(await one.synced(10_000)).toBe(true);
  own.signal("SIGSTOP"); // the connection is open, and nobody is there
  one.reconnect();
  const status = await until(one, ({ state }) => state === "waiting");
  expect(status.lastError).toBe("the relay does not answer any more");
  own.signal("SIGCONT");
  one.reconnect();
  expect(await one.synced(10_000)).toBe(true);
  one.destroy();
  await own.stop();
});
