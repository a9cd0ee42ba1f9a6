// @vitest-environment node
import { createHmac } from "node:crypto";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { device, set, until } from "./devices";
import { Relay } from "./relay";

const SECRET = "a secret of the tests, of 32 bytes or more";
const relay = new Relay(["--auth", "jwt", "--jwt-issuer", "https://issuer.example", "--jwt-audience", "relay", "--jwt-leeway", "0"], {
  CRDT_SYNC_SERVER_JWT_SECRET: SECRET,
});
beforeAll(() => relay.start());
afterAll(() => relay.stop());

function token(sub: string, seconds: number): string {
  const now = Math.floor(Date.now() / 1000);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { sub, iss: "https://issuer.example", aud: "relay", iat: now, exp: now + seconds, jti: crypto.randomUUID() };
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

const ada = (ask: () => string | null | Promise<string | null>, transport: "websocket" | "polling" = "websocket") =>
  device({ relay: relay.url, room: "u/ada", token: ask, transport });

test("a token is renewed before it ends, on the same connection, whatever that is", async () => {
  const renewed = async (transport: "websocket" | "polling"): Promise<string[]> => {
    const ask = vi.fn(() => token("ada", 8));
    const one = ada(ask, transport);
    expect(await one.synced(10_000)).toBe(true);
    const states = new Set<string>();
    one.subscribe(() => states.add(one.status.state));
    await vi.waitFor(() => expect(ask.mock.calls.length).toBeGreaterThan(2), 18_000); // each holds for 8 s
    set(one, transport, ask.mock.calls.length);
    expect(await one.synced(10_000)).toBe(true);
    return [...states].filter((state) => state !== "connected");
  };
  expect(await Promise.all([renewed("websocket"), renewed("polling")])).toEqual([[], []]);
});

test("a token that holds for a month is not asked for again at once", async () => {
  const ask = vi.fn(() => token("ada", 40 * 24 * 3600));
  const one = ada(ask);
  expect(await one.synced(10_000)).toBe(true);
  set(one, "b", 1);
  expect(await one.synced(10_000)).toBe(true); // the relay's answers come in order: 104 was among them
  expect(ask).toHaveBeenCalledTimes(1);
});

test("a function that gives the refused token again is not believed, and somebody must sign in", async () => {
  const bad = token("ada", -10);
  const ask = vi.fn((): string => bad);
  const one = ada(ask);
  const status = await until(one, ({ state }) => state === "sign in");
  expect(status.lastError).toMatch(/expired/);
  expect(ask).toHaveBeenCalledTimes(2);
  set(one, "kept", 1);
  expect(one.status.pending).toBe(1);
  ask.mockImplementation(() => token("ada", 3600));
  one.reconnect();
  expect(await one.synced(10_000)).toBe(true);
  expect(one.status.lastError).toBeNull();
});

test("a function that rejects is asked again later, and edits wait meanwhile", async () => {
  const ask = vi.fn(() => Promise.reject<string>(new Error("nobody is signed in")));
  const one = ada(ask);
  const status = await until(one, ({ state }) => state === "waiting");
  expect(status.lastError).toBe("no token could be had: nobody is signed in");
  ask.mockImplementation(() => Promise.resolve(token("ada", 3600)));
  one.reconnect();
  expect(await one.synced(10_000)).toBe(true);
});

test("a function that never answers is given up after 30 s, and asked again", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const ask = vi.fn(() => new Promise<string>(() => undefined));
  const one = ada(ask);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(one.status).toMatchObject({ state: "waiting", lastError: expect.stringContaining("has not answered for 30 s") });
  await vi.advanceTimersByTimeAsync(1000);
  expect(ask).toHaveBeenCalledTimes(2);
  one.destroy();
  vi.useRealTimers();
});

test("a token of another account stops the connection for ever: no network event merges two libraries", async () => {
  let answer = () => token("ada", 6);
  const one = ada(() => answer());
  expect(await one.synced(10_000)).toBe(true);
  answer = () => token("bob", 3600);
  const status = await until(one, ({ state }) => state === "stopped");
  expect(status.lastError).toBeTruthy();
  answer = () => token("ada", 3600);
  one.reconnect();
  one.connect();
  expect(one.status.state).toBe("stopped");
});

test("a room that is not one's own stops; once that is lifted, reconnect() tries again", async () => {
  const one = device({ relay: relay.url, room: "u/bob", token: () => token("ada", 3600) });
  const status = await until(one, ({ state }) => state === "stopped");
  expect(status.lastError).toBeTruthy();
  one.reconnect();
  expect(one.status.state).toBe("connecting");
  await until(one, ({ state }) => state === "stopped");
});

test("a token that never changes and is refused stops for ever", async () => {
  const one = device({ relay: relay.url, room: "u/ada", token: token("ada", -10) });
  const status = await until(one, ({ state }) => state === "stopped");
  expect(status.lastError).toMatch(/new token/);
  one.reconnect();
  expect(one.status.state).toBe("stopped");
});
