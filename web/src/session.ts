/**
 * One account's library on this page: document, local store, provider. It outlives a component: React's strict mode and
 * a route that comes and goes mount and unmount without a new connection each time.
 */
import * as Y from "yjs";
import { LibraryClient } from "./library/client.js";
import { LocalStore, NothingIsKept, storeName } from "./provider/localStore.js";
import { RelayProvider } from "./provider/provider.js";
import type { ProviderOptions } from "./provider/provider.js";

export interface LibraryOptions extends Pick<ProviderOptions, "relay" | "room" | "token" | "transport" | "tabs"> {
  subject?: string | null;
  /** Your name, as it stands in what you make. */
  author?: string;
  /** Whether this browser keeps the library (IndexedDB). */
  keep?: boolean;
}

export class LibrarySession {
  /** True once it was closed or wiped, or another tab has signed the account out. */
  isClosed = false;

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
    const onSignedOut = () => void session.signedOut();
    const provider = new RelayProvider(doc, { ...options, store, onSignedOut });
    const session = new LibrarySession(library, provider, store, keepsNothing);
    return session;
  }

  /** Disconnects and lets go of everything; what was edited stays in this browser. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await this.provider.flushed();
    this.provider.destroy();
    this.library.close();
    await this.store?.close();
    this.library.doc.destroy();
  }

  /** Signs out: the library leaves this browser, other tabs included. What the relay does not have is gone with it. */
  async wipe(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    this.provider.signOut();
    this.provider.destroy();
    this.library.close();
    await this.store?.wipe();
    this.library.doc.destroy();
  }

  /** Another tab signs out: what this one shows stays on the screen until the application leaves it. */
  private async signedOut(): Promise<void> {
    this.isClosed = true;
    await this.store?.close();
  }
}
