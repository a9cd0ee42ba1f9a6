/**
 * Writes into the document: the keys that change and `updatedAt`, and no other. An unchanged key that is written again
 * leaves a tombstone for ever.
 */
import * as Y from "yjs";
import { InvalidEdit } from "./checks.js";
import { Places } from "./places.js";
import { Projection } from "./projection.js";
import * as schema from "./schema.js";
import { UndoStack } from "./undo.js";
import type { Undone } from "./undo.js";

export abstract class LibraryWriter {
  protected readonly projection: Projection;
  protected readonly roots: Record<"highlights" | "notes" | "collections" | "fields" | "positions", Y.Map<unknown>>;
  protected readonly places: Places;
  private readonly meta: Y.Map<unknown>;
  private readonly stack: UndoStack;
  private wrote = false; // anything in the edit that is being made

  /** `author` stands in what is made here. Load the document first: its client id is drawn anew, and must be unknown to it. */
  constructor(
    readonly doc: Y.Doc,
    protected readonly author = "",
  ) {
    drawClientId(doc);
    this.roots = {
      highlights: doc.getMap(schema.HIGHLIGHTS),
      notes: doc.getMap(schema.NOTES),
      collections: doc.getMap(schema.COLLECTIONS),
      fields: doc.getMap(schema.FIELDS),
      positions: doc.getMap(schema.POSITIONS),
    };
    this.places = new Places(this.roots.positions);
    this.meta = doc.getMap(schema.META);
    this.stack = new UndoStack(this.roots, this);
    this.projection = new Projection(doc);
  }

  /** Raised with every change. */
  get version(): number {
    return this.projection.version;
  }

  /** Calls `listener` with the ids of the items that changed, until what is returned is called. */
  listen(listener: (ids: ReadonlySet<string>) => void): () => void {
    return this.projection.listen(listener);
  }

  /** Whether a newer version asked for a newer schema: then nothing is edited here. */
  get isReadOnly(): boolean {
    const needed = this.meta.get(schema.META_MIN_WRITER);
    return typeof needed === "number" && needed > schema.SCHEMA;
  }

  get canUndo(): boolean {
    return this.stack.canUndo;
  }

  get canRedo(): boolean {
    return this.stack.canRedo;
  }

  /**
   * Takes back the last edit that was made here, where nobody else has written the same field since; what it made goes to
   * the trash. Edits of the same fields within a second are one, as a person types. The body of a note has its editor's
   * own undo. Returns what it did, or null if there was nothing to take back.
   *
   * @throws {InvalidEdit} if the library is read-only.
   */
  undo(): Undone | null {
    this.checkWritable();
    return this.doc.transact(() => this.stack.undo(Date.now()), this);
  }

  /** Makes again what `undo` took back last, until the next edit. */
  redo(): Undone | null {
    this.checkWritable();
    return this.doc.transact(() => this.stack.redo(Date.now()), this);
  }

  /** Lets go of the document, which stays the caller's. */
  close(): void {
    this.stack.close();
    this.projection.close();
    this.places.close();
  }

  /** Makes `change` in one transaction; `made` if it makes the item. */
  protected edit(id: string, updatedAtMs: number | undefined, change: () => void, made = false): void {
    this.checkWritable();
    this.doc.transact(() => {
      this.wrote = false;
      this.stack.begin(id, made);
      change();
      if (!this.wrote) return;
      this.roots.fields.set(schema.fieldKey(id, schema.UPDATED_AT), updatedAtMs ?? Date.now());
      this.stack.end();
      this.sign();
    }, this);
  }

  /** Says, once, which layout this is. */
  protected sign(): void {
    if (this.meta.has(schema.META_SCHEMA)) return;
    this.meta.set(schema.META_SCHEMA, schema.SCHEMA);
    this.meta.set(schema.META_MIN_WRITER, schema.SCHEMA);
  }

  /** Compares with what is shown. An empty text that is not there stays away. */
  protected setTexts(id: string, texts: Record<string, string | undefined>): void {
    const { fields } = this.roots;
    for (const [name, text] of Object.entries(texts)) {
      const key = schema.fieldKey(id, name);
      const known = fields.get(key) ?? this.projection.imported(id)?.texts[name];
      if (text !== undefined && (known || "") !== text) this.set(fields, key, text);
    }
  }

  protected setTags(id: string, add: readonly string[] = [], remove: readonly string[] = []): void {
    const { fields } = this.roots;
    const given = this.projection.imported(id)?.tags ?? [];
    for (const tag of add) {
      const key = schema.tagKey(id, tag);
      const known = fields.get(key) ?? given.includes(tag);
      if (known !== true) this.set(fields, key, true);
    }
    for (const tag of remove) {
      const key = schema.tagKey(id, tag);
      if (!given.includes(tag)) this.drop(key);
      else if (fields.get(key) !== false) this.set(fields, key, false); // the file would bring it back
    }
  }

  protected set(map: Y.Map<unknown>, key: string, value: unknown): void {
    if (map === this.roots.fields) this.stack.before(key);
    map.set(key, value);
    this.wrote = true;
  }

  protected drop(key: string): void {
    if (!this.roots.fields.has(key)) return;
    this.stack.before(key);
    this.roots.fields.delete(key);
    this.wrote = true;
  }

  protected checkWritable(): void {
    if (this.isReadOnly)
      throw new InvalidEdit("a newer version wrote this library; reload the page to get it (reading and syncing go on)");
  }
}

/** 53 random bits, drawn again if the document knows them: an id that is used twice makes replicas diverge for ever. */
function drawClientId(doc: Y.Doc): void {
  do {
    const [high, low] = crypto.getRandomValues(new Uint32Array(2));
    doc.clientID = (high! & 0x1fffff) * 2 ** 32 + low!;
  } while (doc.store.clients.has(doc.clientID));
}
