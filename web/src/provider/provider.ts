/**
 * Keeps a Yjs document in step with a room of a crdt-sync relay, across tabs, sleep, and networks that come and go.
 *
 * One loop: a token, a connection, and on loss back-off (`protocol/backoff.ts`), which starts again only after a completed
 * sync. Close codes say whether to try again at all.
 */
import { Awareness, removeAwarenessStates } from "y-protocols/awareness";
import type * as Y from "yjs";
import { Backoff } from "../protocol/backoff";
import { retryAfter } from "../protocol/closeCodes";
import { Chooser } from "../transport/chooser";
import { pollingConnect } from "../transport/polling";
import type { Connect, Ended, Transport } from "../transport/transport";
import { roomUrl } from "../transport/transport";
import { websocketConnect } from "../transport/websocket";
import { Connection } from "./connection";
import { Credentials } from "./credentials";
import type { Token } from "./credentials";
import { Ledger } from "./ledger";
import type { PendingStore } from "./ledger";
import { storeName } from "./localStore";
import { Prober } from "./prober";
import { OFFLINE, sameStatus } from "./status";
import type { SyncStatus } from "./status";
import { Tabs } from "./tabs";
import { watchPage } from "./page";

export const READ_ONLY = "this account is read-only here: what is edited stays on this device until it may edit";

export interface ProviderOptions {
  /** The relay's URL, like `wss://relay.example`; http and https are taken too. */
  relay: string;
  room: string;
  /** A token, or a function that is asked for one at each attempt to connect, and before one expires. */
  token?: Token;
  /** The account. It names the channel between tabs, so that two accounts in one browser do not meet. */
  subject?: string | null;
  /** `auto`: a WebSocket, and HTTP polling where the network lets no WebSocket through. */
  transport?: "auto" | "websocket" | "polling";
  awareness?: Awareness;
  /** Where it is kept how much waits for the relay (`LocalStore`). */
  store?: PendingStore | null;
  /** Whether the tabs of this browser keep in step without the relay. */
  tabs?: boolean;
  /** Whether to connect at once. */
  connect?: boolean;
  /** What the tests put in the place of the browser's own. */
  io?: { random?: () => number; websocket?: Connect; polling?: Connect };
}

/** In step with a room until `destroy`. Its status is a value; `subscribe` tells when there is a new one. */
export class RelayProvider {
  readonly awareness: Awareness;
  private readonly credentials: Credentials;
  private readonly ledger: Ledger;
  private readonly chooser = new Chooser();
  private readonly backoff: Backoff;
  private readonly connects: { websocket: Connect; polling: Connect };
  private readonly listeners = new Set<() => void>();
  private readonly tabs: Tabs | null;
  private readonly unwatchPage: () => void;
  private readonly loaded: Promise<void>;
  private readonly ownsAwareness: boolean;
  private readonly store: PendingStore | null;
  private readonly mode: NonNullable<ProviderOptions["transport"]>;
  private current: SyncStatus = OFFLINE;
  private wanted = false;
  private running = false;
  private transport: Transport | null = null;
  private connection: Connection | null = null;
  private wakeUp: () => void = () => undefined;
  private prober: Prober | null = null;
  private lastDenial: string | null = null;
  private shown: Record<string, unknown> | null = null; // the presence of a page that has gone

  /** @throws {TypeError} if the relay's URL is none, or the room has no name. */
  constructor(
    readonly doc: Y.Doc,
    options: ProviderOptions,
  ) {
    const { relay, room } = options;
    const random = options.io?.random ?? Math.random;
    this.connects = {
      websocket: options.io?.websocket ?? websocketConnect(roomUrl(relay, room, "websocket")),
      polling: options.io?.polling ?? pollingConnect(roomUrl(relay, room, "http", "/sync"), { random }),
    };
    this.mode = options.transport ?? "auto";
    if (this.mode === "polling") this.chooser.way = "polling";
    this.awareness = options.awareness ?? new Awareness(doc);
    this.ownsAwareness = !options.awareness;
    this.store = options.store ?? null;
    this.credentials = new Credentials(options.token ?? null);
    this.backoff = new Backoff(random);
    this.ledger = new Ledger(this.store, String(doc.clientID), (error) =>
      this.set({ lastError: `this browser could not store an edit: ${String(error)}` }),
    );
    this.tabs =
      (options.tabs ?? true) && typeof BroadcastChannel !== "undefined"
        ? new Tabs(storeName(relay, room, options.subject ?? null), doc, this.awareness, () => this.disconnect())
        : null;
    doc.on("update", this.onUpdate);
    this.unwatchPage = watchPage({
      awake: () => this.connection?.wake(),
      online: () => this.reconnect(),
      offline: () => this.transport?.close({ code: null, reason: "this device is offline", trouble: "cut" }),
      leaving: () => this.leave(),
      returned: () => {
        if (this.shown) this.awareness.setLocalState(this.shown);
        this.reconnect();
      },
    });
    this.loaded = this.ledger.load().then(
      () => this.set({ pending: this.ledger.pending }),
      (error: unknown) => this.set({ lastError: `this browser could not read its store: ${String(error)}` }),
    );
    if (options.connect ?? true) this.connect();
  }

  /** How the document stands with its relay: a new value whenever anything has changed. */
  get status(): SyncStatus {
    return this.current;
  }

  /** Calls `listener` whenever the status has changed, until what is returned is called. */
  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Connects, and stays connected until `disconnect`. */
  connect(): void {
    this.wanted = true;
    if (!this.running) void this.run();
  }

  /** Leaves the relay; edits stay here, and go out with the next `connect`. */
  disconnect(): void {
    this.wanted = false;
    this.transport?.close({ code: null, reason: "disconnected" });
    this.wakeUp();
  }

  /** Tries at once: somebody has signed in, or the network has changed. Over polls it tries a WebSocket at once. */
  reconnect(): void {
    if (!this.wanted) return;
    if (!this.running) void this.run();
    this.wakeUp();
    this.connection?.wake();
    this.prober?.now();
  }

  /** Resolves when all edits are stored on the relay; with false if that is not so within `withinMs`. */
  synced(withinMs: number): Promise<boolean> {
    const isSo = () => this.current.state === "connected" && this.current.confirmsStorage === true && !this.current.pending;
    if (isSo()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const finish = (so: boolean) => {
        clearTimeout(timer);
        unsubscribe();
        resolve(so);
      };
      const timer = setTimeout(() => finish(false), withinMs);
      const unsubscribe = this.subscribe(() => {
        if (isSo()) finish(true);
        else if (["offline", "stopped", "sign in"].includes(this.current.state)) finish(false);
      });
    });
  }

  /** Resolves once it is kept here how much waits for the relay. */
  flushed(): Promise<void> {
    return this.ledger.flushed();
  }

  /** Tells this browser's other tabs that the account has left it: they disconnect and let go of the store. */
  signOut(): void {
    this.tabs?.signOut();
  }

  /** Disconnects for good. */
  destroy(): void {
    this.disconnect();
    this.unwatchPage();
    this.tabs?.close();
    this.doc.off("update", this.onUpdate);
    this.listeners.clear();
    if (this.ownsAwareness) this.awareness.destroy();
  }

  private readonly onUpdate = (_update: Uint8Array, origin: unknown): void => {
    const isRelays = this.connection !== null && origin === this.connection;
    if (isRelays || (this.store !== null && origin === this.store.origin)) return;
    this.ledger.edited(this.tabs === null || origin !== this.tabs);
    this.set({ pending: this.ledger.pending });
  };

  private async run(): Promise<void> {
    this.running = true;
    let refusedTokens = 0;
    await this.loaded; // or what earlier visits left would be counted after the word that it is stored
    while (this.wanted) {
      this.set({ state: "connecting", retryAtMs: null });
      let isSynced = false;
      const { ended, atOnce } = await this.attempt(() => {
        isSynced = true;
        refusedTokens = 0;
        this.backoff.reset();
      });
      if (!this.wanted) break;
      if (atOnce) continue;
      const retry = retryAfter(ended.code);
      this.set({ transport: null, lastError: ended.reason });
      if (retry === "never") {
        this.set({ state: "stopped" });
        break;
      }
      if (retry === "new token") {
        refusedTokens += 1;
        if (!this.credentials.isCallable) {
          this.set({ state: "stopped", lastError: `${ended.reason}; a new token is needed` });
          break;
        }
        if (refusedTokens > 1 && !isSynced) {
          this.set({ state: "sign in" });
          await this.sleep(null);
          continue;
        }
        if (refusedTokens === 1) continue; // the function is asked anew, at once
      }
      const delayMs = this.backoff.next();
      this.set({ state: "waiting", retryAtMs: Date.now() + delayMs });
      await this.sleep(delayMs);
    }
    this.running = false;
    if (!this.wanted) this.set({ state: "offline", transport: null, retryAtMs: null });
  }

  /** Makes one connection and waits for its end. `atOnce` says that the next is to be tried without a pause. */
  private async attempt(onSynced: () => void): Promise<{ ended: Ended; atOnce: boolean }> {
    let token: string | null;
    try {
      token = await this.credentials.ask();
    } catch (error) {
      return { ended: { code: null, reason: `no token could be had: ${String(error)}` }, atOnce: false };
    }
    if (!this.wanted) return { ended: { code: null, reason: "disconnected" }, atOnce: false };
    this.credentials.shown = token;
    const { way } = this.chooser;
    let openedMs: number | null = null;
    const ended = await new Promise<Ended>((resolve) => {
      const transport = this.connects[way](token, {
        opened: () => {
          openedMs = performance.now();
          this.opened(transport, onSynced);
        },
        frame: (frame) => this.connection?.receive(frame),
        closed: resolve,
      });
      this.transport = transport;
    });
    this.closed();
    if (ended === REPLACED) return { ended, atOnce: true };
    if (this.mode !== "auto") return { ended, atOnce: false };
    const lastedMs = openedMs === null ? null : performance.now() - openedMs;
    return { ended, atOnce: this.chooser.ended(ended, lastedMs) && this.wanted };
  }

  private opened(transport: Transport, onSynced: () => void): void {
    this.lastDenial = null;
    this.set({ state: "syncing", transport: transport.name, confirmsStorage: null, takesEdits: true });
    let wasAsked = false;
    this.connection = new Connection(transport, this.doc, this.awareness, this.credentials, {
      synced: () => {
        onSynced();
        this.set({ state: "connected", lastError: wasAsked ? this.lastDenial : READ_ONLY, takesEdits: wasAsked });
      },
      asked: () => {
        wasAsked = true;
        if (!this.current.takesEdits) this.set({ takesEdits: true, lastError: this.lastDenial });
      },
      edits: () => this.ledger.number,
      acknowledged: (number) => {
        this.ledger.acknowledged(number);
        const { pending } = this.ledger;
        this.set({ pending, durableAtMs: pending ? this.current.durableAtMs : Date.now() });
      },
      confirms: (storage) => this.set({ confirmsStorage: storage }),
      denied: (reason) => {
        this.lastDenial = reason;
        this.set({ lastError: reason });
      },
    });
    this.connection.start();
    if (transport.name === "polling" && this.mode === "auto")
      this.prober = new Prober(this.connects.websocket, () => this.credentials.shown, () => {
        this.chooser.websocketWorks();
        transport.close(REPLACED);
      });
  }

  private closed(): void {
    this.prober?.stop();
    this.prober = null;
    this.connection?.stop();
    this.connection = null;
    this.transport = null;
    const others = [...this.awareness.getStates().keys()].filter((id) => id !== this.awareness.clientID);
    removeAwarenessStates(this.awareness, others, this);
    if (this.wanted) this.tabs?.greet(); // those of this browser are still there
  }

  /** The page goes, perhaps for good: say so, so that nobody sees a ghost. */
  private leave(): void {
    this.shown = this.awareness.getLocalState();
    removeAwarenessStates(this.awareness, [this.awareness.clientID], "the page goes");
    this.transport?.leave();
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

  private set(change: Partial<SyncStatus>): void {
    const next = { ...this.current, ...change };
    if (sameStatus(next, this.current)) return;
    this.current = next;
    for (const listener of this.listeners) listener();
  }
}

const REPLACED: Ended = { code: null, reason: "a WebSocket works again" };
