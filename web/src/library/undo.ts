/**
 * Takes back one's own edits, a field at a time, where nobody else has written it since. Yjs's UndoManager would take what
 * was made out of the document, and with it what another device wrote into the same item meanwhile: here it goes to the
 * trash. `docs/protocol.md`, "Going back".
 */
import type * as Y from "yjs";
import * as schema from "./schema.js";

const MOST_STEPS = 200;

/** Who wrote what stands under a key, and a value that is the same while nobody has written it again. */
interface Field {
  readonly value: unknown; // undefined: the key is not there
  readonly writing: string;
}

interface Step {
  readonly itemId: string;
  /** Whether it made the item: taken back, the item goes to the trash. */
  readonly made: boolean;
  /** What it changed: what was there, and what it left. */
  readonly fields: Map<string, { before: unknown; after: Field }>;
}

export class UndoStack {
  private readonly done: Step[] = [];
  private undone: Step[] = [];
  private current: { itemId: string; made: boolean; before: Map<string, unknown> } | null = null;

  constructor(private readonly fields: Y.Map<unknown>) {}

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
    if (!this.current) return;
    this.done.push(this.finish());
    if (this.done.length > MOST_STEPS) this.done.shift();
    this.undone = [];
  }

  undo(nowMs: number): boolean {
    return this.move(this.done, this.undone, nowMs);
  }

  redo(nowMs: number): boolean {
    return this.move(this.undone, this.done, nowMs);
  }

  /** Takes the last step that can still be taken back from one stack, and puts its opposite onto the other. */
  private move(from: Step[], to: Step[], nowMs: number): boolean {
    for (let step = from.pop(); step; step = from.pop()) {
      this.begin(step.itemId, step.made);
      if (step.made) this.toggleTrash(step.itemId, from === this.done, nowMs);
      else
        for (const [key, { before, after }] of step.fields)
          if (this.writingOf(key) === after.writing) this.write(key, before);
      const opposite = this.finish();
      if (!opposite.fields.size) continue; // others have written all of it since: look further back
      this.fields.set(schema.fieldKey(step.itemId, schema.UPDATED_AT), nowMs);
      to.push(opposite);
      return true;
    }
    return false;
  }

  private toggleTrash(itemId: string, isUndo: boolean, nowMs: number): void {
    const key = schema.fieldKey(itemId, schema.DELETED_AT);
    if (this.fields.has(key) !== isUndo) this.write(key, isUndo ? nowMs : undefined);
  }

  private write(key: string, value: unknown): void {
    this.before(key);
    if (value === undefined) this.fields.delete(key);
    else this.fields.set(key, value);
  }

  private finish(): Step {
    const { itemId, made, before } = this.current!;
    this.current = null;
    const fields = new Map<string, { before: unknown; after: Field }>();
    for (const [key, value] of before)
      fields.set(key, { before: value, after: { value: this.fields.get(key), writing: this.writingOf(key) } });
    return { itemId, made, fields };
  }

  /** The operation that wrote a key last, a deletion included: Yjs keeps it as the last of the key's items. */
  private writingOf(key: string): string {
    const item = this.fields._map.get(key);
    return item ? `${item.id.client}:${item.id.clock}:${item.deleted}` : "";
  }
}
