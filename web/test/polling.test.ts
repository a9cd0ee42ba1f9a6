// @vitest-environment node
import * as fc from "fast-check";
import http from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { device, holds, set, until } from "./devices";
import { Relay } from "./relay";

const relay = new Relay();
beforeAll(() => relay.start());
afterAll(() => relay.stop());

/** What happens to a request on the way. */
type Fate = "pass" | "lose request" | "lose answer" | "cut answer" | "twice" | "late" | "page";
const FATES: readonly Fate[] = ["lose request", "lose answer", "cut answer", "twice", "late", "page"];

/** A proxy on real sockets, before the relay, that does to each request what `fate` says. */
class Proxy {
  fate: () => Fate = () => "pass";
  readonly met = new Map<Fate, number>();
  private readonly server = http.createServer((request, response) => void this.serve(request, response));

  async start(): Promise<string> {
    await new Promise<void>((listens) => this.server.listen(0, "127.0.0.1", listens));
    return `ws://127.0.0.1:${(this.server.address() as { port: number }).port}`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private async serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const fate = this.fate();
    this.met.set(fate, (this.met.get(fate) ?? 0) + 1);
    if (fate === "lose request") return void request.socket.destroy();
    if (fate === "page") return void response.writeHead(200, { "content-type": "text/html" }).end("<h1>please sign in</h1>");
    if (fate === "late") {
      request.socket.destroy();
      setTimeout(() => this.forward(request, body).catch(() => undefined), 30);
      return;
    }
    const answer = await this.forward(request, body).catch(() => null);
    if (fate === "twice") setTimeout(() => this.forward(request, body).catch(() => undefined), 10);
    if (!answer || fate === "lose answer") return void request.socket.destroy();
    response.writeHead(answer.status, { ...answer.headers, "content-length": answer.body.length });
    if (fate === "cut answer") response.write(answer.body.subarray(0, answer.body.length >> 1), () => request.socket.destroy());
    else response.end(answer.body);
  }

  private forward(request: http.IncomingMessage, body: Buffer) {
    return new Promise<{ status: number; headers: http.OutgoingHttpHeaders; body: Buffer }>((resolve, reject) => {
      const { method, url: path, headers } = request;
      const forwarded = http.request({ host: "127.0.0.1", port: relay.port, method, path, headers }, (answer) => {
        const parts: Buffer[] = [];
        answer.on("data", (part: Buffer) => parts.push(part));
        answer.on("error", reject);
        answer.on("end", () => {
          const { "content-type": type } = answer.headers;
          resolve({ status: answer.statusCode!, headers: type ? { "content-type": type } : {}, body: Buffer.concat(parts) });
        });
      });
      forwarded.on("error", reject);
      forwarded.end(body);
    });
  }
}

let rooms = 0;

test("every edit arrives once and both ends agree, whatever happens to the requests", { timeout: 60_000 }, async () => {
  const proxy = new Proxy();
  const url = await proxy.start();
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.infiniteStream(fc.oneof({ weight: 2, arbitrary: fc.constant<Fate>("pass") }, { weight: 1, arbitrary: fc.constantFrom(...FATES) })),
        fc.shuffledSubarray([...FATES], { minLength: FATES.length }),
        async (stream, all) => {
          const first = all.flatMap((fate): Fate[] => [fate, "pass"]); // each comes at least once
          const fates = { next: () => ({ value: first.shift() ?? stream.next().value! }) };
          const room = `lossy-${rooms++}`;
          const [one, two] = [device({ relay: url, room, transport: "polling", io: { random: () => 0 } }), device({ relay: relay.url, room })];
          proxy.fate = () => fates.next().value;
          const updates: number[] = [];
          two.doc.getArray<number>("log").observe(() => updates.push(two.doc.getArray<number>("log").length));
          for (let n = 0; n < 8; n++) {
            one.doc.getArray<number>("log").push([n]); // an edit that came twice or out of order would show
            set(two, String(n), n);
            await new Promise((resolve) => setImmediate(resolve));
          }
          set(one, "last", 1);
          await Promise.all([holds(two, "last", 1), holds(one, "7", 7)]);
          proxy.fate = () => "pass";
          await until(one, ({ state, pending }) => state === "connected" && pending === 0);
          expect(two.doc.getArray("log").toJSON()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
          expect(updates).toEqual([...updates].sort((a, b) => a - b));
          one.destroy();
          two.destroy();
        },
      ),
      { numRuns: 5 },
    );
    for (const fate of FATES) expect(proxy.met.get(fate) ?? 0, fate).toBeGreaterThan(0);
  } finally {
    proxy.stop();
  }
});

test("a proxy that serves pages in the relay's place is said to be in the way, and is waited for", async () => {
  const proxy = new Proxy();
  proxy.fate = () => "page";
  const one = device({ relay: await proxy.start(), room: "captive", transport: "polling" });
  set(one, "a", 1);
  const status = await until(one, ({ state }) => state === "waiting");
  expect(status.lastError).toMatch(/something answered 200 in the relay's place/);
  proxy.fate = () => "pass";
  one.reconnect();
  expect(await one.synced(10_000)).toBe(true);
  proxy.stop();
});
