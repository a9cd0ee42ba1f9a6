/** Keeps a Yjs document in step with a room of a crdt-sync relay, across tabs, sleep, and networks that come and go. */
import { Awareness, removeAwarenessStates } from "y-protocols/awareness";
import type * as Y from "yjs";
import { pollingConnect } from "../transport/polling.js";
import type { Connect, Transport } from "../transport/transport.js";
import { roomUrl } from "../transport/transport.js";
import { websocketConnect } from "../transport/websocket.js";
import { Connection } from "./connection.js";
import { Credentials } from "./credentials.js";
import type { Token } from "./credentials.js";
import { Ledger } from "./ledger.js";
import type { PendingStore } from "./ledger.js";
import { storeName } from "./localStore.js";
import { SyncLoop } from "./loop.js";
import type { LoopOwner } from "./loop.js";
import { watchPage } from "./page.js";
import { OFFLINE, sameStatus } from "./status.js";
import type { SyncStatus } from "./status.js";
import { STORED, Tabs } from "./tabs.js";

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
  /** Called when another tab signs this account out; the provider has disconnected then. */
  onSignedOut?: () => void;
  /** What the tests put in the place of the browser's own. */
  io?: { random?: () => number; websocket?: Connect; polling?: Connect };
}

/** In step with a room until `destroy`. Its status is a value; `subscribe` tells when there is a new one. */
export class RelayProvider {
  readonly awareness: Awareness;
  private readonly ledger: Ledger;
  private readonly loop: SyncLoop;
  private readonly credentials: Credentials;
  private readonly listeners = new Set<() => void>();
  private readonly tabs: Tabs | null;
  private readonly unwatchPage: () => void;
  private readonly ownsAwareness: boolean;
  private readonly store: PendingStore | null;
  private current: SyncStatus;
  private storeTrouble: string | null = null;
  private shown: Record<string, unknown> | null = null; // the presence of a page that has gone

  /** @throws {TypeError} if the relay's URL is none, or the room has no name. */
  constructor(
    readonly doc: Y.Doc,
    options: ProviderOptions,
  ) {
    const { relay, room } = options;
    const random = options.io?.random ?? Math.random;
    const connects = {
      websocket: options.io?.websocket ?? websocketConnect(roomUrl(relay, room, "websocket")),
      polling: options.io?.polling ?? pollingConnect(roomUrl(relay, room, "http", "/sync"), { random }),
    };
    this.awareness = options.awareness ?? new Awareness(doc);
    this.ownsAwareness = !options.awareness;
    this.store = options.store ?? null;
    this.ledger = new Ledger(this.store, String(doc.clientID), (error) => this.storeFails(error));
    if (this.store) this.store.onTrouble = (error) => this.storeFails(error);
    this.current = { ...OFFLINE, pending: this.ledger.pending };
    this.credentials = new Credentials(options.token ?? null);
    this.loop = new SyncLoop(options.transport ?? "auto", connects, this.credentials, this.owner(), random);
    this.tabs =
      (options.tabs ?? true) && typeof BroadcastChannel !== "undefined"
        ? new Tabs(storeName(relay, room, options.subject ?? null), doc, this.awareness, {
            isStored: (origin) => origin instanceof Connection,
            signedOut: () => this.signedOut(options.onSignedOut),
          })
        : null;
    doc.on("update", this.onUpdate);
    this.unwatchPage = watchPage({
      awake: () => this.loop.awake(),
      online: () => this.loop.reconnect(),
      offline: () => this.loop.offline(),
      leaving: () => this.leave(),
      returned: () => this.comeBack(),
    });
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
    this.loop.connect();
  }

  /** Leaves the relay; edits stay here, and go out with the next `connect`. */
  disconnect(): void {
    this.loop.disconnect();
  }

  /**
   * Tries at once: somebody has signed in, the network has changed, or a refusal was lifted. Over polls it tries a WebSocket
   * at once. After a refusal that nobody can lift it does nothing.
   */
  reconnect(): void {
    this.loop.reconnect();
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

  /** Resolves once it is kept in this browser what was edited, and how much waits for the relay. */
  async flushed(): Promise<void> {
    await this.store?.flushed();
  }

  /** Tells this browser's other tabs that the account has left it: they disconnect and let go of the store. */
  signOut(): void {
    this.tabs?.signOut();
  }

  /** Disconnects for good. */
  destroy(): void {
    this.loop.stop();
    this.unwatchPage();
    this.tabs?.close();
    if (this.store) this.store.onTrouble = () => undefined;
    this.doc.off("update", this.onUpdate);
    this.listeners.clear();
    if (this.ownsAwareness) this.awareness.destroy();
  }

  private readonly onUpdate = (_update: Uint8Array, origin: unknown): void => {
    const isRelays = origin instanceof Connection && origin === this.loop.connection;
    if (isRelays || origin === STORED || (this.store !== null && origin === this.store.origin)) return;
    this.ledger.edited(this.tabs === null || origin !== this.tabs);
    this.set({ pending: this.ledger.pending });
  };

  private owner(): LoopOwner {
    return {
      connection: (transport) => this.connection(transport),
      report: (change) => this.set(change),
      lost: () => {
        const others = [...this.awareness.getStates().keys()].filter((id) => id !== this.awareness.clientID);
        removeAwarenessStates(this.awareness, others, this);
        for (const id of others) this.awareness.meta.delete(id); // or they would be unseen until their next renewal
        if (this.loop.isWanted) this.tabs?.greet(); // those of this browser are still there
      },
    };
  }

  private connection(transport: Transport): Connection {
    let wasAsked = false;
    let denial: string | null = null;
    return new Connection(transport, this.doc, this.awareness, this.credentials, {
      synced: () => {
        this.loop.synced();
        const trouble = denial ?? this.storeTrouble;
        this.set({ state: "connected", lastError: wasAsked ? trouble : READ_ONLY, takesEdits: wasAsked });
      },
      asked: () => {
        wasAsked = true;
        if (!this.current.takesEdits) this.set({ takesEdits: true, lastError: denial ?? this.storeTrouble });
      },
      edits: () => this.ledger.number,
      acknowledged: (number) => {
        this.ledger.acknowledged(number);
        const { pending } = this.ledger;
        this.set({ pending, durableAtMs: pending ? this.current.durableAtMs : Date.now() });
      },
      confirms: (storage) => this.set({ confirmsStorage: storage }),
      denied: (reason) => {
        denial = reason;
        this.set({ lastError: reason });
      },
    });
  }

  /** The page goes, perhaps for good: say so, so that nobody sees a ghost. */
  private leave(): void {
    this.shown = this.awareness.getLocalState();
    removeAwarenessStates(this.awareness, [this.awareness.clientID], "the page goes");
    this.loop.leave();
  }

  private comeBack(): void {
    if (this.shown) this.awareness.setLocalState(this.shown);
    this.loop.comeBack();
  }

  private signedOut(tell: (() => void) | undefined): void {
    this.loop.stop();
    this.set({ lastError: "this account has signed out in another tab; nothing is kept here any more" });
    tell?.();
  }

  /** Told with null once everything is kept again. */
  private storeFails(error: Error | null): void {
    const trouble = error === null ? null : `this browser could not store an edit: ${String(error)}`;
    if (trouble !== null || this.current.lastError === this.storeTrouble) this.set({ lastError: trouble });
    this.storeTrouble = trouble;
  }

  private set(change: Partial<SyncStatus>): void {
    const next = { ...this.current, ...change };
    if (sameStatus(next, this.current)) return;
    this.current = next;
    for (const listener of this.listeners) listener();
  }
}
