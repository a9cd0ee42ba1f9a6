// @vitest-environment node
import { afterAll, beforeAll, expect, test } from "vitest";
import { device, sees, until } from "./devices";
import { Relay } from "./relay";

const relay = new Relay();
beforeAll(() => relay.start());
afterAll(() => relay.stop());

const SOON_MS = 5000; // a renewal comes every 15 s: what is seen sooner did not wait for one

test("who leaves and comes back sees the others at once, and is seen", { timeout: SOON_MS }, async () => {
  const [one, two] = [device({ relay: relay.url, room: "back" }), device({ relay: relay.url, room: "back" })];
  one.awareness.setLocalState({ user: { name: "Ada" } });
  two.awareness.setLocalState({ user: { name: "Grace" } });
  await Promise.all([sees(one, two), sees(two, one)]);
  one.disconnect();
  await Promise.all([sees(one, two, false), sees(two, one, false)]);
  one.connect();
  await Promise.all([sees(one, two), sees(two, one)]);
});

test("disconnect and connect in one breath wait for nothing", { timeout: SOON_MS }, async () => {
  const one = device({ relay: relay.url, room: "breath", io: { random: () => 1 } }); // the longest back-off there is
  await until(one, ({ state }) => state === "connected");
  one.disconnect();
  one.connect();
  const began = performance.now();
  const errors = new Set<string | null>();
  one.subscribe(() => errors.add(one.status.lastError));
  await until(one, ({ state }) => state !== "connected");
  await until(one, ({ state }) => state === "connected");
  expect(performance.now() - began).toBeLessThan(1000);
  expect([...errors]).toEqual([null]);
});

test("a disconnect before the connection stands leaves nothing behind", async () => {
  const one = device({ relay: relay.url, room: "unmount" });
  await until(one, ({ state }) => state === "connecting");
  one.disconnect();
  await until(one, ({ state }) => state === "offline");
  expect(one.status).toMatchObject({ transport: null, lastError: null, retryAtMs: null });
});
