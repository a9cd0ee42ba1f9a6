/**
 * Undo and redo of one's own edits, as Python's engine has them: what is taken back is written as any edit.
 *
 * Yjs's UndoManager would delete what was made, and with it what others wrote into it since; here it goes to the trash. A
 * field is set back only while it still has the value of the edit: somebody's later change stays.
 */
import type { LibraryClient } from "crdt-sync";
import type * as Y from "yjs";
import { FIELDS, HIGHLIGHTS, NOTES, DELETED_AT, UPDATED_AT, fieldKey, splitFieldKey } from "../../../src/library/schema";

type Value = unknown; // of a field; undefined where it has none
type Changes = Map<string, { before: Value; after: Value }>;

interface Group {
  changes: Changes;
  atMs: number;
}

const MOST = 200;
const TOGETHER_MS = 1000;

export class History {
  private done: Group[] = [];
  private undone: Group[] = [];
  private readonly fields: Y.Map<unknown>;
  private readonly roots: Y.Map<unknown>[];
  private made = new Set<string>();
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly library: LibraryClient,
    private readonly now: () => number = () => performance.now(),
  ) {
    const { doc } = library;
    this.fields = doc.getMap(FIELDS);
    this.roots = [doc.getMap(HIGHLIGHTS), doc.getMap(NOTES)];
    for (const root of this.roots) root.observe(this.onRoot);
    this.fields.observe(this.onFields);
  }

  close(): void {
    for (const root of this.roots) root.unobserve(this.onRoot);
    this.fields.unobserve(this.onFields);
    this.listeners.clear();
  }

  get canUndo(): boolean {
    return this.done.length > 0;
  }

  get canRedo(): boolean {
    return this.undone.length > 0;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Takes the last edit back. Returns whether there was one, and whether a later change of somebody else stays. */
  undo(): { done: boolean; kept: boolean } {
    return this.move(this.done, this.undone);
  }

  redo(): { done: boolean; kept: boolean } {
    return this.move(this.undone, this.done);
  }

  private move(from: Group[], to: Group[]): { done: boolean; kept: boolean } {
    const group = from.pop();
    if (!group) return { done: false, kept: false };
    const back: Changes = new Map();
    let kept = false;
    this.library.doc.transact(() => {
      const ids = new Set<string>();
      for (const [key, { before, after }] of group.changes) {
        const [id] = splitFieldKey(key);
        if (!this.roots.some((root) => root.has(id))) continue; // purged
        if (this.fields.get(key) !== after) {
          kept = true;
          continue;
        }
        if (before === undefined) this.fields.delete(key);
        else this.fields.set(key, before);
        back.set(key, { before: after, after: before });
        ids.add(id);
      }
      for (const id of ids) this.fields.set(fieldKey(id, UPDATED_AT), Date.now());
    }, this);
    if (back.size) to.push({ changes: back, atMs: -Infinity });
    this.tell();
    return { done: true, kept };
  }

  private readonly onRoot = (event: Y.YMapEvent<unknown>, transaction: Y.Transaction): void => {
    for (const [id, { action }] of event.changes.keys)
      if (action === "delete") this.forget(id);
      else if (action === "add" && transaction.origin === this.library) this.made.add(id);
  };

  private readonly onFields = (event: Y.YMapEvent<unknown>, transaction: Y.Transaction): void => {
    const { made } = this;
    this.made = new Set();
    if (transaction.origin !== this.library) return;
    const changes: Changes = new Map();
    for (const id of made) changes.set(fieldKey(id, DELETED_AT), { before: Date.now(), after: undefined });
    for (const [key, { oldValue }] of event.changes.keys) {
      const [id, name] = splitFieldKey(key);
      if (name === UPDATED_AT || made.has(id) || !this.roots.some((root) => root.has(id))) continue;
      changes.set(key, { before: oldValue as Value, after: this.fields.get(key) });
    }
    if (changes.size) this.push(changes);
  };

  /** Quick edits of the same fields are one. */
  private push(changes: Changes): void {
    const atMs = this.now();
    const last = this.done.at(-1);
    const isSame = last && atMs - last.atMs < TOGETHER_MS && [...changes.keys()].join() === [...last.changes.keys()].join();
    if (isSame) {
      for (const [key, { after }] of changes) last.changes.get(key)!.after = after;
      last.atMs = atMs;
    } else this.done = [...this.done.slice(1 - MOST), { changes, atMs }];
    this.undone = [];
    this.tell();
  }

  /** Words that were purged must not live on here. */
  private forget(id: string): void {
    for (const group of [...this.done, ...this.undone])
      for (const key of group.changes.keys()) if (splitFieldKey(key)[0] === id) group.changes.delete(key);
    this.done = this.done.filter(({ changes }) => changes.size);
    this.undone = this.undone.filter(({ changes }) => changes.size);
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}
