/**
 * How many edits wait for the relay's word that it has stored them.
 *
 * Every update that did not come from the relay gets a stamp, and a barrier of that number stands for all up to it. The
 * edits of this tab are also counted in the local store, under a key of its own, so that a later visit knows of them;
 * those of other tabs and visits are `inherited`, and over once a barrier has come back that was sent with all of them.
 */

/** How many edits of a tab wait, and how many it has made: the same number waiting may be other edits. */
export interface PendingCount {
  readonly waiting: number;
  readonly made: number;
}

/** Where the counts of all tabs and visits are kept. */
export interface PendingStore {
  /** The origin of the updates that it brings itself, which are no edits. */
  readonly origin: unknown;
  /** The counts by key, of edits that are all in the document. */
  readonly pendingAtOpen: ReadonlyMap<string, PendingCount>;
  /** Called with what could not be kept, and with null once all is. */
  onTrouble: (error: Error | null) => void;
  setPending(key: string, count: PendingCount): void;
  /** Forgets counts, each unless more edits were made since. */
  dropPending(counts: ReadonlyMap<string, PendingCount>): Promise<void>;
  /** Resolves once what was told so far is kept. */
  flushed(): Promise<void>;
}

export class Ledger {
  private made = 1; // so that the number of a barrier is above 0
  private acknowledgedTo = 1;
  private own: number[] = [];
  private inherited: ReadonlyMap<string, PendingCount>;

  constructor(
    private readonly store: PendingStore | null,
    private readonly key: string,
    private readonly onTrouble: (error: Error) => void,
  ) {
    this.inherited = store?.pendingAtOpen ?? new Map<string, PendingCount>();
  }

  /** The number of the barrier that stands for everything so far. */
  get number(): number {
    return this.made;
  }

  get pending(): number {
    let inherited = 0;
    for (const { waiting } of this.inherited.values()) inherited += waiting;
    return this.made - this.acknowledgedTo + inherited;
  }

  /** Counts an edit, of this tab or (`own` false) of another. */
  edited(own: boolean): void {
    this.made += 1;
    if (!own) return;
    this.own.push(this.made);
    this.write();
  }

  acknowledged(number: number): void {
    this.acknowledgedTo = Math.max(this.acknowledgedTo, number);
    const before = this.own.length;
    this.own = this.own.filter((stamp) => stamp > number);
    if (this.own.length < before) this.write();
    if (!this.inherited.size) return;
    const { inherited } = this;
    this.inherited = new Map();
    this.store?.dropPending(inherited).catch(this.onTrouble);
  }

  private write(): void {
    this.store?.setPending(this.key, { waiting: this.own.length, made: this.made });
  }
}
