// Clients in node that write while their relay moves them: ours over WebSockets and over polls, and stock y-websocket.
// Arguments: the relay's URL, the room, how many of each kind. A line on standard input ends it; it prints JSON:
// for each kind the times from a close to the next completed sync, and the keys that each client holds in the end.
import * as readline from "node:readline";
import { WebSocket } from "ws";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";

Object.assign(globalThis, { WebSocket });
const { RelayProvider } = await import("../dist/index.js");

const [relay, room, each] = process.argv.slice(2);
const WRITE_EVERY_MS = 20;

class Mover {
  constructor(kind, number) {
    this.name = `${kind}-${number}`;
    this.kind = kind;
    this.doc = new Y.Doc();
    this.moves = [];
    this.closes = [];
    this.writes = 0;
    this.lostMs = null;
    this.synced = false;
    if (kind === "stock") {
      this.provider = new WebsocketProvider(relay, room, this.doc, { WebSocketPolyfill: WebSocket, disableBc: true });
      this.provider.on("sync", (is) => this.stands(is));
      this.provider.on("connection-close", (event) => this.closes.push(event?.code ?? null));
    } else {
      this.provider = new RelayProvider(this.doc, { relay, room, transport: kind, tabs: false });
      this.provider.subscribe(() => this.stands(this.provider.status.state === "connected"));
    }
  }

  stands(is) {
    if (is && this.lostMs !== null) this.moves.push(performance.now() - this.lostMs);
    if (is) this.lostMs = null;
    else if (this.synced) this.lostMs ??= performance.now();
    this.synced = is;
  }

  write() {
    this.doc.getMap("m").set(`${this.name}/${this.writes++}`, 1);
  }
}

const movers = ["websocket", "polling", "stock"].flatMap((kind) =>
  Array.from({ length: Number(each) }, (_, number) => new Mover(kind, number)),
);
const when = async (holds) => {
  while (!holds()) await new Promise((go) => setTimeout(go, 10));
};
await when(() => movers.every((mover) => mover.synced));
console.log("ready");
let turn = 0;
const writing = setInterval(() => movers[turn++ % movers.length].write(), WRITE_EVERY_MS);

for await (const _ of readline.createInterface({ input: process.stdin })) break;
clearInterval(writing);
const written = movers.reduce((sum, mover) => sum + mover.writes, 0);
const of = (mover, prefix) => [...mover.doc.getMap("m").keys()].filter((key) => key.startsWith(prefix)).length;
const own = (mover) => movers.reduce((sum, other) => sum + of(mover, `${other.name}/`), 0);
const deadline = performance.now() + 20_000;
await when(() => movers.every((mover) => own(mover) === written) || performance.now() > deadline);
console.log(
  JSON.stringify({
    written,
    holds: movers.map(own),
    movers: movers.map(({ name, kind, moves, closes }) => ({ name, kind, moves, closes })),
  }),
);
process.exit(0);
