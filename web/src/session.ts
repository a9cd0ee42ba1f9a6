/**
 * One account's library on this page: document, local store, provider. It outlives a component: React's strict mode and
 * a route that comes and goes mount and unmount without a new connection each time.
 */
import * as Y from "yjs";
import { LibraryClient } from "./library/client";
import { LocalStore, NothingIsKept, storeName } from "./provider/localStore";
import { RelayProvider } from "./provider/provider";
import type { ProviderOptions } from "./provider/provider";

export interface LibraryOptions extends Pick<ProviderOptions, "relay" | "room" | "token" | "transport" | "tabs"> {
  subject?: string | null;
  /** Your name, as it stands in what you make. */
  author?: string;
  /** Whether this browser keeps the library (IndexedDB). */
  keep?: boolean;
}

export class LibrarySession {
  private constructor(
    readonly library: LibraryClient,
    readonly provider: RelayProvider,
    /** Null where the browser keeps nothing; `keepsNothing` says why. */
    readonly store: LocalStore | null,
    readonly keepsNothing: string | null,
  ) {}

  /** Loads what this browser has, then connects. */
  static async open(options: LibraryOptions): Promise<LibrarySession> {
    const doc = new Y.Doc();
    let store: LocalStore | null = null;
    let keepsNothing: string | null = null;
    if (options.keep ?? true)
      try {
        store = await LocalStore.open(storeName(options.relay, options.room, options.subject ?? null), doc);
      } catch (error) {
        if (!(error instanceof NothingIsKept)) throw error;
        keepsNothing = error.message;
      }
    const library = new LibraryClient(doc, options.author);
    return new LibrarySession(library, new RelayProvider(doc, { ...options, store }), store, keepsNothing);
  }

  /** Disconnects and lets go of everything; what was edited stays in this browser. */
  async close(): Promise<void> {
    await this.provider.flushed();
    this.provider.destroy();
    this.library.close();
    await this.store?.close();
    this.library.doc.destroy();
  }

  /** Signs out: the library leaves this browser, other tabs included. What the relay does not have is gone with it. */
  async wipe(): Promise<void> {
    this.provider.signOut();
    this.provider.destroy();
    this.library.close();
    await this.store?.wipe();
    this.library.doc.destroy();
  }
}
