/**
 * A document in this browser's IndexedDB (y-indexeddb), and beside it how much of it no relay has stored.
 *
 * Its name is bound to relay, room and subject: another account never opens it.
 */
import { IndexeddbPersistence } from "y-indexeddb";
import type * as Y from "yjs";
import type { PendingStore } from "./ledger";

const CUSTOM = "custom"; // y-indexeddb's store for what belongs to its user
const PENDING = "crdt-sync/pending/";

/** The browser keeps nothing: private mode, no permission, or a full disk. What is edited lives as long as the page. */
export class NothingIsKept extends Error {
  override name = "NothingIsKept";
}

/** Returns the name of the database of one account's room on one relay. */
export function storeName(relay: string, room: string, subject: string | null): string {
  const parts = [relay.replace(/\/+$/, ""), room, ...(subject === null ? [] : [subject])];
  return `crdt-sync/${parts.map(encodeURIComponent).join("/")}`;
}

export class LocalStore implements PendingStore {
  private constructor(
    readonly name: string,
    private readonly persistence: IndexeddbPersistence,
    private readonly database: IDBDatabase,
  ) {}

  /**
   * Opens the store and loads it into the document.
   *
   * @throws {NothingIsKept} if the browser has no storage for this page.
   */
  static async open(name: string, doc: Y.Doc): Promise<LocalStore> {
    await probe();
    const persistence = new IndexeddbPersistence(name, doc);
    await persistence.whenSynced;
    return new LocalStore(name, persistence, persistence.db!);
  }

  get origin(): unknown {
    return this.persistence;
  }

  async pending(): Promise<Map<string, number>> {
    const store = this.database.transaction(CUSTOM).objectStore(CUSTOM);
    const range = IDBKeyRange.bound(PENDING, `${PENDING}\uffff`);
    const [keys, counts] = await Promise.all([done(store.getAllKeys(range)), done<unknown[]>(store.getAll(range))]);
    return new Map(keys.map((key, at) => [String(key).slice(PENDING.length), Number(counts[at])]));
  }

  async setPending(key: string, count: number): Promise<void> {
    const store = this.database.transaction(CUSTOM, "readwrite").objectStore(CUSTOM);
    if (count) await done(store.put(count, PENDING + key));
    else await done(store.delete(PENDING + key));
  }

  async dropPending(counts: ReadonlyMap<string, number>): Promise<void> {
    const store = this.database.transaction(CUSTOM, "readwrite").objectStore(CUSTOM);
    for (const [key, count] of counts)
      if ((await done<unknown>(store.get(PENDING + key))) === count) await done(store.delete(PENDING + key));
  }

  /** Lets go of the database; what was written stays. */
  async close(): Promise<void> {
    await this.persistence.destroy();
  }

  /** Destroys what this browser has of the document. Other tabs must have closed it; else it goes when they do. */
  async wipe(): Promise<void> {
    await this.persistence.destroy();
    await done(indexedDB.deleteDatabase(this.name));
  }
}

/** y-indexeddb tells nobody if its database cannot be opened, so another one is tried first. */
async function probe(): Promise<void> {
  try {
    const database = await done(indexedDB.open("crdt-sync/probe", 1));
    database.close();
  } catch (error) {
    throw new NothingIsKept(`this browser keeps nothing for this page: ${String(error)}`);
  }
}

function done<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the database refused"));
  });
}
