/**
 * Takes back one's own edits, a field at a time, where nobody else has written it since. Yjs's UndoManager would take what
 * was made out of the document, and with it what another device wrote into the same item meanwhile: here it goes to the
 * trash. `docs/protocol.md`, "Going back"; `crdt_sync/document/undoing.py` does alike.
 */
import type * as Y from "yjs";
import * as schema from "./schema.js";
import { sameJson } from "./values.js";

const MOST_STEPS = 200;
/** Edits of the same fields that follow one another sooner are one step, as a person types. */
const SAME_WITHIN_MS = 1000;

/** What an undo or redo did: the items that it changed, and those of which it left something as others have made it since. */
export interface Undone {
  readonly ids: readonly string[];
  readonly kept: readonly string[];
}

interface Change {
  readonly before: unknown; // undefined: the key was not there
  readonly after: unknown;
  /** Whether somebody else has written the key since, be it with the same value. */
  isTheirs: boolean;
}

interface Step {
  readonly itemId: string;
  /** Whether it made the item: taken back, the item goes to the trash, and nothing else is kept of it. */
  readonly made: boolean;
  readonly fields: Map<string, Change>;
}

type Roots = Record<"highlights" | "notes" | "collections" | "fields", Y.Map<unknown>>;

export class UndoStack {
  private done: Step[] = [];
  private undone: Step[] = [];
  private current: { itemId: string; made: boolean; before: Map<string, unknown> } | null = null;
  private last: { step: Step; atMs: number } | null = null; // that the next edit may join
  private readonly items: Y.Map<unknown>[];
  private readonly fields: Y.Map<unknown>;

  /** `origin` is that of the transactions in which one's own edits are made. */
  constructor(
    { highlights, notes, collections, fields }: Roots,
    private readonly origin: unknown,
  ) {
    this.items = [highlights, notes, collections];
    this.fields = fields;
    for (const each of this.items) each.observe(this.onItems);
    fields.observe(this.onFields);
  }

  close(): void {
    for (const each of this.items) each.unobserve(this.onItems);
    this.fields.unobserve(this.onFields);
  }

  get canUndo(): boolean {
    return this.done.length > 0;
  }

  get canRedo(): boolean {
    return this.undone.length > 0;
  }

  /** An edit begins. */
  begin(itemId: string, made: boolean): void {
    this.current = { itemId, made, before: new Map() };
  }

  /** A key is about to be written. */
  before(key: string): void {
    const before = this.current?.before;
    if (before && !before.has(key)) before.set(key, this.fields.get(key));
  }

  /** The edit has written something. */
  end(): void {
    const step = this.finish();
    if (!step.fields.size) return;
    this.undone = [];
    const atMs = performance.now();
    const { last } = this;
    this.last = null;
    if (last && atMs - last.atMs <= SAME_WITHIN_MS && goesOn(step, last.step)) {
      this.done.pop();
      this.push(this.done, joined(last.step, step), atMs);
    } else this.push(this.done, step, atMs);
  }

  undo(nowMs: number): Undone | null {
    return this.move(this.done, this.undone, nowMs);
  }

  redo(nowMs: number): Undone | null {
    return this.move(this.undone, this.done, nowMs);
  }

  /** Takes the last step back, and puts its opposite onto the other stack. */
  private move(from: Step[], to: Step[], nowMs: number): Undone | null {
    const step = from.pop();
    this.last = null;
    if (!step) return null;
    const { itemId } = step;
    const isThere = this.items.some((each) => each.has(itemId));
    let isKept = false;
    this.begin(itemId, false);
    for (const [key, { before, after, isTheirs }] of step.fields) {
      const there = this.fields.get(key);
      if (!step.made && sameJson(there, before)) continue;
      if (!isThere || isTheirs || !sameJson(there, after)) isKept = true;
      else this.write(key, step.made ? nowMs : before);
    }
    const opposite = this.finish();
    if (opposite.fields.size) {
      this.fields.set(schema.fieldKey(itemId, schema.UPDATED_AT), nowMs);
      this.push(to, opposite);
    }
    return { ids: opposite.fields.size ? [itemId] : [], kept: isKept ? [itemId] : [] };
  }

  private push(stack: Step[], step: Step, atMs?: number): void {
    if (!step.fields.size) return; // typed, and deleted again
    stack.push(step);
    if (stack.length > MOST_STEPS) stack.shift();
    if (atMs !== undefined) this.last = { step, atMs };
  }

  private write(key: string, value: unknown): void {
    this.before(key);
    if (value === undefined) this.fields.delete(key);
    else this.fields.set(key, value);
  }

  private finish(): Step {
    const { itemId, made, before } = this.current!;
    this.current = null;
    const trash = schema.fieldKey(itemId, schema.DELETED_AT);
    const pairs: Iterable<[string, unknown]> = made ? [[trash, undefined]] : before;
    const fields = new Map<string, Change>();
    for (const [key, value] of pairs) {
      const after = made ? undefined : this.fields.get(key);
      if (made || !sameJson(value, after)) fields.set(key, { before: value, after, isTheirs: false });
    }
    return { itemId, made, fields };
  }

  private readonly onFields = (event: Y.YMapEvent<unknown>, { origin }: Y.Transaction): void => {
    if (origin === this.origin || (!this.canUndo && !this.canRedo)) return;
    this.last = null;
    for (const step of [...this.done, ...this.undone])
      for (const [key, change] of step.fields) if (event.keysChanged.has(key)) change.isTheirs = true;
  };

  /** What was purged, here or elsewhere, cannot be had back, and its words shall not live on here. */
  private readonly onItems = (event: Y.YMapEvent<unknown>): void => {
    const gone = new Set([...event.changes.keys].filter(([, { action }]) => action === "delete").map(([id]) => id));
    if (!gone.size) return;
    this.last = null;
    this.done = this.done.filter(({ itemId }) => !gone.has(itemId));
    this.undone = this.undone.filter(({ itemId }) => !gone.has(itemId));
  };
}

/** Whether `step` changes what `before` changed, and nothing came between. To trash and to restore is no typing. */
function goesOn(step: Step, before: Step): boolean {
  if (step.made || before.made || step.itemId !== before.itemId || step.fields.size !== before.fields.size) return false;
  return [...step.fields].every(([key, change]) => {
    const earlier = before.fields.get(key);
    return earlier && key !== schema.fieldKey(step.itemId, schema.DELETED_AT) && sameJson(earlier.after, change.before);
  });
}

function joined(first: Step, second: Step): Step {
  const fields = [...second.fields].map(([key, change]): [string, Change] => [key, { ...change, before: first.fields.get(key)!.before }]);
  return { ...second, fields: new Map(fields.filter(([, { before, after }]) => !sameJson(before, after))) };
}
