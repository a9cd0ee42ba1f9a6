/**
 * How many edits wait for the relay's word that it has stored them.
 *
 * Every update that did not come from the relay gets a stamp, and a barrier of that number stands for all up to it. The
 * edits of this tab are also counted in the local store, under a key of its own, so that a later visit knows of them;
 * those of earlier visits are `inherited`, and over once a barrier has come back that was sent with all of them.
 */

/** Where the counts of all tabs and visits are kept. */
export interface PendingStore {
  /** The origin of the updates that it brings itself, which are no edits. */
  readonly origin: unknown;
  /** Returns the counts of all keys. */
  pending(): Promise<Map<string, number>>;
  setPending(key: string, count: number): Promise<void>;
  /** Forgets counts, each unless it has changed. */
  dropPending(counts: ReadonlyMap<string, number>): Promise<void>;
}

export class Ledger {
  private made = 1; // so that the number of a barrier is above 0
  private acknowledgedTo = 1;
  private own: number[] = [];
  private inherited: ReadonlyMap<string, number> = new Map();
  private writing: Promise<void> = Promise.resolve();
  private unwritten = false;

  constructor(
    private readonly store: PendingStore | null,
    private readonly key: string,
    private readonly onTrouble: (error: unknown) => void,
  ) {}

  /** Reads what earlier visits left. */
  async load(): Promise<void> {
    if (this.store) this.inherited = await this.store.pending();
  }

  /** The number of the barrier that stands for everything so far. */
  get number(): number {
    return this.made;
  }

  get pending(): number {
    let inherited = 0;
    for (const count of this.inherited.values()) inherited += count;
    return this.made - this.acknowledgedTo + inherited;
  }

  /** Counts an edit, of this tab or (`own` false) of another. */
  edited(own: boolean): void {
    this.made += 1;
    if (own) {
      this.own.push(this.made);
      this.write();
    }
  }

  acknowledged(number: number): void {
    this.acknowledgedTo = Math.max(this.acknowledgedTo, number);
    const before = this.own.length;
    this.own = this.own.filter((stamp) => stamp > number);
    if (this.own.length < before) this.write();
    if (this.inherited.size) {
      const { inherited } = this;
      this.inherited = new Map();
      this.store?.dropPending(inherited).catch(this.onTrouble);
    }
  }

  /** Resolves once the counts so far are in the store. */
  flushed(): Promise<void> {
    return this.writing;
  }

  /** A hundred edits in one turn are one write. */
  private write(): void {
    if (this.unwritten || !this.store) return;
    const { store } = this;
    this.unwritten = true;
    this.writing = this.writing
      .then(() => {
        this.unwritten = false;
        return store.setPending(this.key, this.own.length);
      })
      .catch(this.onTrouble);
  }
}
