/**
 * One loop: a token, a connection, and on loss back-off (`protocol/backoff.ts`), which starts again only after a completed
 * sync. Close codes say whether to try again at all (`outcome.ts`).
 */
import { Backoff } from "../protocol/backoff.js";
import { Chooser } from "../transport/chooser.js";
import type { Way } from "../transport/chooser.js";
import type { Connect, Ended, Transport } from "../transport/transport.js";
import type { Connection } from "./connection.js";
import type { Credentials } from "./credentials.js";
import { Refusals } from "./outcome.js";
import { Prober } from "./prober.js";
import type { SyncStatus } from "./status.js";

/** Who owns the loop. */
export interface LoopOwner {
  /** Makes the connection of a transport that has opened. */
  connection(transport: Transport): Connection;
  /** The connection is over. */
  lost(): void;
  report(change: Partial<SyncStatus>): void;
}

export class SyncLoop {
  connection: Connection | null = null;
  private readonly chooser = new Chooser();
  private readonly backoff: Backoff;
  private readonly refusals: Refusals;
  private wanted = false;
  private running = false;
  private isOver = false; // a refusal that nobody can lift, or `stop`
  private isHalted = false; // refused, until somebody calls `reconnect`
  private hasLeft = false; // the page has gone, and may come back from the back/forward cache
  private transport: Transport | null = null;
  private openedMs: number | null = null; // null while it is not
  private prober: Prober | null = null;
  private wakeUp: () => void = () => undefined;

  constructor(
    private readonly mode: "auto" | Way,
    private readonly connects: Record<Way, Connect>,
    private readonly credentials: Credentials,
    private readonly owner: LoopOwner,
    random: () => number,
  ) {
    this.backoff = new Backoff(random);
    this.refusals = new Refusals(credentials);
    if (mode === "polling") this.chooser.way = "polling";
  }

  /** Whether it is connected, or will be by itself. */
  get isWanted(): boolean {
    return this.wanted && !this.isOver;
  }

  connect(): void {
    if (this.isOver) return;
    this.wanted = true;
    if (!this.running) void this.run();
  }

  disconnect(): void {
    this.wanted = false;
    this.transport?.close(AT_ONCE);
    this.wakeUp();
  }

  /** Disconnects for good. */
  stop(): void {
    this.isOver = true;
    this.disconnect();
  }

  /** Tries at once, and over polls tries a WebSocket at once; nothing after a refusal that nobody can lift. */
  reconnect(): void {
    if (!this.isWanted || this.hasLeft) return;
    if (this.isHalted) this.owner.report({ state: "connecting" }); // or who waits from now on is told of the last try
    this.wakeUp();
    this.connection?.wake();
    this.prober?.now();
  }

  /** The machine may have slept. */
  awake(): void {
    this.connection?.wake();
  }

  /** The machine says that it has no network now. The next attempts come all the same: it may be wrong. */
  offline(): void {
    this.transport?.close(ours("this device is offline"));
  }

  leave(): void {
    this.hasLeft = true;
    this.transport?.leave();
  }

  comeBack(): void {
    this.hasLeft = false;
    this.reconnect();
  }

  /** The first exchange is complete. */
  synced(): void {
    this.refusals.synced();
    this.backoff.reset();
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.isWanted) {
      this.owner.report({ state: "connecting", retryAtMs: null });
      const ended = await this.attempt();
      if (!this.wanted) break;
      if (this.hasLeft) await this.sleep(null);
      else if (ended !== AT_ONCE) await this.after(ended);
    }
    this.running = false;
    if (!this.wanted) this.owner.report({ state: "offline", transport: null, retryAtMs: null });
  }

  /** Waits as it is called for. Whoever is told of the new state may call `reconnect` at once, so the waiting comes first. */
  private async after(ended: Ended): Promise<void> {
    const outcome = this.refusals.after(ended);
    const lastError = "error" in outcome ? outcome.error : ended.reason;
    if (outcome.next === "again") {
      this.owner.report({ transport: null, lastError });
    } else if (outcome.next === "back off") {
      const delayMs = this.backoff.next();
      const slept = this.sleep(delayMs);
      this.owner.report({ state: "waiting", transport: null, lastError, retryAtMs: Date.now() + delayMs });
      await slept;
    } else {
      const state = outcome.next === "stop" ? "stopped" : "sign in";
      this.isOver = outcome.next === "stop" && outcome.forEver;
      this.isHalted = !this.isOver;
      const slept = this.isOver ? null : this.sleep(null);
      this.owner.report({ state, transport: null, lastError });
      await slept;
      this.isHalted = false;
    }
  }

  /** Makes one connection and waits for its end. `AT_ONCE` says that the next is to be tried without a pause. */
  private async attempt(): Promise<Ended> {
    let token: string | null;
    try {
      token = await this.credentials.ask();
    } catch (error) {
      return ours(`no token could be had: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (!this.isWanted || this.hasLeft) return AT_ONCE;
    const refused = this.refusals.known(token);
    if (refused) return refused; // it would be so again
    this.refusals.shows(token);
    this.openedMs = null;
    const ended = await this.connected(token);
    this.closed();
    if (ended.isOurs || this.mode !== "auto") return ended;
    const tryOtherWay = this.chooser.ended(ended, this.openedMs === null ? null : performance.now() - this.openedMs);
    return tryOtherWay ? AT_ONCE : ended;
  }

  private connected(token: string | null): Promise<Ended> {
    return new Promise((resolve) => {
      try {
        const transport = this.connects[this.chooser.way](token, {
          opened: () => {
            this.openedMs = performance.now();
            this.opened(transport);
          },
          frame: (frame) => this.connection?.receive(frame),
          closed: resolve,
        });
        this.transport = transport;
      } catch (error) {
        // as a page of an https site may open no ws URL
        resolve({ code: null, reason: `no connection may be opened from here: ${String(error)}`, trouble: "unreachable" });
      }
    });
  }

  private opened(transport: Transport): void {
    this.owner.report({ state: "syncing", transport: transport.name, confirmsStorage: null, takesEdits: true });
    this.connection = this.owner.connection(transport);
    this.connection.start();
    if (transport.name === "polling" && this.mode === "auto")
      this.prober = new Prober(this.connects.websocket, () => this.credentials.shown, () => {
        this.chooser.websocketWorks();
        transport.close(AT_ONCE);
      });
  }

  private closed(): void {
    this.prober?.stop();
    this.prober = null;
    this.connection?.stop();
    this.connection = null;
    this.transport = null;
    this.owner.lost();
  }

  /** Waits, for as long as it takes if `ms` is null, or until `reconnect` or `disconnect`. */
  private sleep(ms: number | null): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === null ? undefined : setTimeout(() => this.wakeUp(), ms);
      this.wakeUp = () => {
        clearTimeout(timer);
        this.wakeUp = () => undefined;
        resolve();
      };
    });
  }
}

/** An end that this side has made; it says nothing of the network. */
const ours = (reason: string): Ended => ({ code: null, reason, isOurs: true });
const AT_ONCE = ours("the next attempt comes at once");
