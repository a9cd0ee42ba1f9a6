/**
 * A document in this browser's IndexedDB, and beside it how much of it no relay has stored.
 *
 * One row an update, in the order in which they came; an edit and the count of what waits are one transaction, so that no
 * visit ever knows of one without the other. One transaction at a time: what comes meanwhile is the next one. What could
 * not be written is told, and written whole with the next edit. Its name is bound to relay, room and subject: another
 * account never opens it.
 */
import * as Y from "yjs";
import { splitUpdate } from "../protocol/split.js";
import type { PendingCount, PendingStore } from "./ledger.js";

const UPDATES = "updates";
const PENDING = "pending";
const DAMAGED = "damaged";
const STORES = [UPDATES, PENDING, DAMAGED];
const COMPACT_ROWS = 500;
const AGAIN_AFTER_MS = 2000;

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
  /** Told what could not be kept, and with null that all is kept again. The provider shows it. */
  onTrouble: (error: Error | null) => void = () => undefined;
  /** How many rows could not be read when it was opened. They are kept. */
  damagedRows = 0;
  private updates: Uint8Array[] = [];
  private counts = new Map<string, PendingCount>();
  private writing: Promise<void> | null = null;
  private lacksRows = false; // a transaction failed: the next one writes the document whole
  private again: ReturnType<typeof setTimeout> | undefined;
  private rows = 0;
  private isClosed = false;

  private constructor(
    readonly name: string,
    private readonly doc: Y.Doc,
    private readonly database: IDBDatabase,
    /** What waited when the store was opened; what it counts is in the document. */
    readonly pendingAtOpen: ReadonlyMap<string, PendingCount>,
  ) {}

  /**
   * Opens the store and loads it into the document.
   *
   * @throws {NothingIsKept} if the browser has no storage for this page.
   */
  static async open(name: string, doc: Y.Doc): Promise<LocalStore> {
    let database: IDBDatabase;
    let stored: { rows: Uint8Array[]; pending: Map<string, PendingCount> };
    try {
      database = await openDatabase(name);
      stored = await readAll(database);
    } catch (error) {
      throw new NothingIsKept(`this browser keeps nothing for this page: ${String(error)}`);
    }
    const had = Y.encodeStateAsUpdate(doc);
    const store = new LocalStore(name, doc, database, stored.pending);
    store.damagedRows = store.load(stored.rows).length;
    store.rows = stored.rows.length;
    doc.on("update", store.onUpdate);
    database.onversionchange = () => store.detach(); // another tab signs out
    database.onclose = () => {
      store.detach();
      store.onTrouble(new Error("the browser has closed its database; what is edited now lives as long as the page"));
    };
    if (had.length > 2) {
      store.updates.push(had); // what was in the document before it was opened
      store.schedule();
    }
    return store;
  }

  get origin(): unknown {
    return this;
  }

  /** Writes a count, together with the edits of this turn of the event loop. */
  setPending(key: string, count: PendingCount): void {
    this.counts.set(key, count);
    this.schedule();
  }

  /** Forgets counts that were inherited, each unless its tab has made another edit since. */
  async dropPending(counts: ReadonlyMap<string, PendingCount>): Promise<void> {
    if (this.isClosed) return;
    await this.transact(({ pending }) => {
      for (const [key, { made }] of counts) {
        const request = pending.get(key) as IDBRequest<PendingCount | undefined>;
        request.onsuccess = () => {
          if (request.result?.made === made) pending.delete(key);
        };
      }
    });
  }

  /** Resolves once everything so far is written, or was told as trouble. */
  async flushed(): Promise<void> {
    while (this.writing) await this.writing;
  }

  /** Lets go of the database; what was written stays. */
  async close(): Promise<void> {
    await this.flushed();
    this.detach();
  }

  /** Destroys what this browser has of the document; other tabs let go of it by themselves. */
  async wipe(): Promise<void> {
    this.detach();
    const request = indexedDB.deleteDatabase(this.name);
    await new Promise<void>((resolve, reject) => {
      request.onsuccess = request.onblocked = () => resolve(); // blocked: it goes when the last tab has let go
      request.onerror = () => reject(request.error ?? new Error("the database refused"));
    });
  }

  private detach(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.doc.off("update", this.onUpdate);
    clearTimeout(this.again);
    this.updates = [];
    this.counts.clear();
    this.database.close();
  }

  /** Returns the rows that could not be taken: one that is damaged must not hide the others. */
  private load(rows: readonly Uint8Array[]): Uint8Array[] {
    const damaged: Uint8Array[] = [];
    this.doc.transact(() => {
      for (const row of rows)
        try {
          Y.applyUpdate(this.doc, row, this);
        } catch {
          damaged.push(row);
        }
    }, this);
    return damaged;
  }

  private readonly onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin === this) return;
    this.updates.push(update);
    this.schedule();
  };

  private schedule(): void {
    if (this.isClosed || this.writing) return;
    clearTimeout(this.again);
    this.writing = Promise.resolve()
      .then(() => this.write())
      .finally(() => {
        this.writing = null;
        if (this.lacksRows) this.again = setTimeout(() => this.schedule(), AGAIN_AFTER_MS); // perhaps there is room then
        else if (this.updates.length || this.counts.size) this.schedule();
      });
  }

  private async write(): Promise<void> {
    const { updates, counts } = this;
    this.updates = [];
    this.counts = new Map();
    const rows = this.lacksRows ? wholeIn(this.doc) : updates;
    const had = this.rows;
    const compact = had + rows.length > COMPACT_ROWS;
    try {
      await this.transact((stores) => {
        for (const [key, count] of counts)
          if (count.waiting) stores.pending.put(count, key);
          else stores.pending.delete(key);
        if (compact) this.compact(stores);
        else for (const row of rows) stores.updates.add(row);
      });
    } catch (error) {
      if (this.isClosed) return;
      this.rows = had;
      this.counts = new Map([...counts, ...this.counts]);
      this.lacksRows = true;
      this.onTrouble(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (!compact) this.rows += rows.length;
    if (!this.lacksRows) return;
    this.lacksRows = false;
    this.onTrouble(null);
  }

  /** The document in the place of all, in the transaction that reads them: what another tab has written is taken along. */
  private compact({ updates, damaged }: Stores): void {
    const request = updates.getAll() as IDBRequest<Uint8Array[]>;
    request.onsuccess = () => {
      for (const row of this.load(request.result)) damaged.add(row);
      updates.clear();
      const rows = wholeIn(this.doc);
      for (const row of rows) updates.add(row);
      this.rows = rows.length;
    };
  }

  /** Resolves once the transaction is complete. It is on the disk then: an edit must survive a crash of the machine. */
  private transact(work: (stores: Stores) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const transaction = this.database.transaction(STORES, "readwrite", { durability: "strict" });
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error("the browser could not write"));
      work({
        updates: transaction.objectStore(UPDATES),
        pending: transaction.objectStore(PENDING),
        damaged: transaction.objectStore(DAMAGED),
      });
    });
  }
}

/** Returns a document as rows: browsers take no value of more than 128 MiB or so. */
function wholeIn(doc: Y.Doc): Uint8Array[] {
  const whole = Y.encodeStateAsUpdate(doc);
  const { pendingStructs, pendingDs } = doc.store;
  return pendingStructs || pendingDs ? [whole] : splitUpdate(whole); // what has a gap cannot be cut
}

type Stores = Record<"updates" | "pending" | "damaged", IDBObjectStore>;

function openDatabase(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(UPDATES, { autoIncrement: true });
      request.result.createObjectStore(PENDING);
      request.result.createObjectStore(DAMAGED, { autoIncrement: true });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the database refused"));
  });
}

/** One transaction over both: what a count counts is in the rows. */
function readAll(database: IDBDatabase): Promise<{ rows: Uint8Array[]; pending: Map<string, PendingCount> }> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction([UPDATES, PENDING]);
    const rows = transaction.objectStore(UPDATES).getAll() as IDBRequest<Uint8Array[]>;
    const keys = transaction.objectStore(PENDING).getAllKeys();
    const counts = transaction.objectStore(PENDING).getAll() as IDBRequest<PendingCount[]>;
    transaction.oncomplete = () =>
      resolve({ rows: rows.result, pending: new Map(keys.result.map((key, at) => [key as string, counts.result[at]!])) });
    transaction.onabort = () => reject(transaction.error ?? new Error("the database could not be read"));
  });
}
