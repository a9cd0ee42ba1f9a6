// @vitest-environment node
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as Y from "yjs";
import { device, holds, set, until } from "./devices";
import { Relay } from "./relay";

const relay = new Relay();
beforeAll(() => relay.start());
afterAll(() => relay.stop());

test("what a document keeps for later does not hold up the edits that are whole", async () => {
  const other = new Y.Doc();
  other.getMap("fields").set("lost", 1); // nobody here ever gets this one
  const vector = Y.encodeStateVector(other);
  other.getMap("fields").set("later", 2);
  const doc = new Y.Doc();
  Y.applyUpdate(doc, Y.encodeStateAsUpdate(other, vector));
  expect(doc.store.pendingStructs).not.toBeNull();
  const one = device({ relay: relay.url, room: "gap" }, doc);
  set(one, "mine", 3);
  expect(await one.synced(10_000)).toBe(true);
  expect(doc.store.pendingStructs).not.toBeNull(); // kept
  const two = device({ relay: relay.url, room: "gap" });
  await holds(two, "mine", 3);
  Y.applyUpdate(two.doc, Y.encodeStateAsUpdate(other)); // the device that has both comes
  await holds(one, "later", 2);
  expect(doc.store.pendingStructs).toBeNull();
  expect(await one.synced(10_000)).toBe(true);
});

test("a stock y-websocket server confirms nothing: that is said, and all else works", async () => {
  const program = resolve(import.meta.dirname, "../../tests/interop/y_websocket_2.mjs");
  const server = spawn("node", [program], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const url = await new Promise<string>((told, fails) => {
      server.stdout.once("data", (line: Buffer) => told(line.toString().trim()));
      server.once("exit", () => fails(new Error("the server did not start")));
    });
    const [one, two] = [device({ relay: url, room: "stock", token: () => null }), device({ relay: url, room: "stock" })];
    set(one, "a", 1);
    await holds(two, "a", 1);
    set(two, "b", 2);
    await holds(one, "b", 2);
    const status = await until(one, ({ confirmsStorage }) => confirmsStorage === false);
    expect(status).toMatchObject({ state: "connected", pending: 1, lastError: null });
  } finally {
    server.kill();
  }
});

test("a reader is told so, and edits stay with it; a document that was deleted stays deleted", { timeout: 60_000 }, async () => {
  const { execFileSync } = await import("node:child_process");
  const own = new Relay(["--auth", "static"]);
  const python = resolve(import.meta.dirname, "../../.venv/bin/python");
  const run = (...args: string[]) =>
    execFileSync(python, ["-m", "crdt_sync_server", ...args, "--data", own.data], { encoding: "utf8" }).trim();
  const tokenOf = (subject: string) => run("tokens", "create", subject).split("\n").find((line) => line.startsWith("crdt_"))!;
  const [ada, bo] = [tokenOf("ada"), tokenOf("bo")];
  await own.start();
  try {
    const http = own.url.replace("ws", "http");
    const ask = async (path: string, token: string, body?: unknown) => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      const answer = await fetch(`${http}/api/v1${path}`, { method: "POST", headers, body: JSON.stringify(body ?? {}) });
      expect(answer.ok, `${path}: ${answer.status}`).toBe(true);
      return (await answer.json()) as Record<string, string>;
    };
    const invitation = await ask("/rooms/u%2Fada/invitations", ada, { role: "reader" });
    await ask("/invitations/accept", bo, { token: invitation.token ?? invitation.secret });
    const writer = device({ relay: own.url, room: "u/ada", token: ada });
    set(writer, "a", 1);
    expect(await writer.synced(10_000)).toBe(true);
    const reader = device({ relay: own.url, room: "u/ada", token: bo });
    await holds(reader, "a", 1);
    const status = await until(reader, ({ state }) => state === "connected");
    expect(status).toMatchObject({ takesEdits: false, lastError: expect.stringContaining("read-only") });
    set(reader, "b", 2);
    expect(reader.status.pending).toBe(1);
    set(writer, "c", 3);
    await holds(reader, "c", 3); // it has not been thrown out
    expect(writer.doc.getMap("fields").has("b")).toBe(false);
    expect(reader.status.pending).toBe(1);
    await fetch(`${http}/api/v1/rooms/u%2Fada`, { method: "DELETE", headers: { authorization: `Bearer ${ada}` } });
    const deleted = await until(writer, ({ state }) => state === "stopped");
    expect(deleted.lastError).toMatch(/deleted/);
    writer.reconnect();
    expect(writer.status.state).toBe("stopped"); // for ever: what is here must not come back there by itself
  } finally {
    await own.stop();
  }
});
