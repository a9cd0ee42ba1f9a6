/**
 * The sessions that components share. One that nobody uses any more is closed a second later: strict mode and a change of
 * route unmount and mount again at once, and must not cost a connection.
 */
import { LibrarySession } from "../session.js";
import type { LibraryOptions } from "../session.js";
import { storeName } from "../provider/localStore.js";

const CLOSE_AFTER_MS = 1000;

export interface Opening {
  readonly session: LibrarySession | null;
  readonly error: Error | null;
}

class Shared {
  opening: Opening = { session: null, error: null };
  private users = 0;
  private closing: ReturnType<typeof setTimeout>;
  private readonly opened: Promise<void>;
  private readonly listeners = new Set<() => void>();

  constructor(
    options: LibraryOptions,
    private readonly onClosed: () => void,
  ) {
    this.closing = setTimeout(() => void this.close(), CLOSE_AFTER_MS); // rendered, and perhaps never mounted
    this.opened = LibrarySession.open(options).then(
      (session) => this.set({ session, error: null }),
      (error: unknown) => this.set({ session: null, error: error instanceof Error ? error : new Error(String(error)) }),
    );
  }

  /** Whether its session is closed: who signs in again after signing out gets another. */
  get isSpent(): boolean {
    return this.opening.session?.isClosed ?? false;
  }

  subscribe(listener: () => void): () => void {
    this.users += 1;
    clearTimeout(this.closing);
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
      this.users -= 1;
      if (!this.users) this.closing = setTimeout(() => void this.close(), CLOSE_AFTER_MS);
    };
  }

  private async close(): Promise<void> {
    if (this.users) return;
    this.onClosed();
    await this.opened;
    await this.opening.session?.close();
  }

  private set(opening: Opening): void {
    this.opening = opening;
    for (const listener of this.listeners) listener();
  }
}

const sessions = new Map<string, Shared>();

/** Returns the session of an account's room, opened if nobody has it open. The options of the first to ask count. */
export function sharedSession(options: LibraryOptions): Shared {
  const key = storeName(options.relay, options.room, options.subject ?? null);
  const known = sessions.get(key);
  if (known && !known.isSpent) return known;
  const shared = new Shared(options, () => {
    if (sessions.get(key) === shared) sessions.delete(key);
  });
  sessions.set(key, shared);
  return shared;
}
