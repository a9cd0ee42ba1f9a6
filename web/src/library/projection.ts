/**
 * What the document says, as values: read once, then kept up to date item by item from its events.
 *
 * A value is the same object for as long as nothing in it changes, so a list of 10,000 renders what has changed.
 */
import * as Y from "yjs";
import { readAnchor } from "./anchors.js";
import { plainText } from "./bodies.js";
import { said } from "./imported.js";
import type { Imported } from "./imported.js";
import { compareMembers, compareText, orderKey } from "./order.js";
import type { Member } from "./order.js";
import * as schema from "./schema.js";
import type { Collection, Highlight, Note } from "./values.js";

export class Projection {
  readonly highlights = new Map<string, Highlight>();
  readonly notes = new Map<string, Note>();
  readonly collections = new Map<string, Collection>();
  /** Raised with every change; a list that was made at one version holds for it. */
  version = 0;
  private readonly roots: Record<"highlights" | "notes" | "collections" | "fields", Y.Map<unknown>>;
  private readonly members = new Map<string, Map<string, string>>();
  private readonly tags = new Map<string, Set<string>>();
  private readonly bodies = new Map<string, () => void>();
  private readonly listeners = new Set<(ids: ReadonlySet<string>) => void>();
  private touched = new Set<string>();

  constructor(private readonly doc: Y.Doc) {
    this.roots = {
      highlights: doc.getMap(schema.HIGHLIGHTS),
      notes: doc.getMap(schema.NOTES),
      collections: doc.getMap(schema.COLLECTIONS),
      fields: doc.getMap(schema.FIELDS),
    };
    for (const key of this.roots.fields.keys()) this.touchField(key);
    const { highlights, notes, collections } = this.roots;
    for (const root of [highlights, notes, collections]) for (const id of root.keys()) this.touched.add(id);
    this.flush();
    for (const root of [highlights, notes, collections]) root.observe(this.onItems);
    this.roots.fields.observe(this.onFields);
    doc.on("afterTransaction", this.afterTransaction);
  }

  /** Calls `listener` with the ids of the items that each transaction touched, until what is returned is called. */
  listen(listener: (ids: ReadonlySet<string>) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  close(): void {
    const { highlights, notes, collections } = this.roots;
    for (const root of [highlights, notes, collections]) root.unobserve(this.onItems);
    this.roots.fields.unobserve(this.onFields);
    this.doc.off("afterTransaction", this.afterTransaction);
    for (const unobserve of this.bodies.values()) unobserve();
    this.bodies.clear();
    this.listeners.clear();
  }

  private readonly onItems = (event: Y.YMapEvent<unknown>): void => {
    for (const id of event.keysChanged as Set<string>) this.touched.add(id);
  };

  private readonly onFields = (event: Y.YMapEvent<unknown>): void => {
    for (const key of event.keysChanged as Set<string>) this.touchField(key);
  };

  private touchField(key: string): void {
    const [id, name, tag] = schema.splitFieldKey(key);
    this.touched.add(id);
    if (name === schema.ITEM) this.touchMember(id, tag, this.roots.fields.get(key));
    if (name !== schema.TAG) return;
    const tags = this.tags.get(id) ?? new Set();
    this.tags.set(id, tags);
    if (this.roots.fields.get(key) === true) tags.add(tag);
    else tags.delete(tag);
  }

  private touchMember(collectionId: string, itemId: string, value: unknown): void {
    const members = this.members.get(collectionId) ?? new Map<string, string>();
    this.members.set(collectionId, members);
    if (value === undefined) members.delete(itemId);
    else members.set(itemId, orderKey(value));
  }

  /** What a foreign file says of an item. */
  imported(id: string): Imported | null {
    const made = this.roots.highlights.get(id) ?? this.roots.notes.get(id);
    return made === undefined ? null : said(made, this.field(id, schema.IMPORTED));
  }

  /** The members of a collection in order, whatever they are: in the trash, or not here yet. */
  membersOf(collectionId: string): Member[] {
    return [...(this.members.get(collectionId) ?? [])].map(([id, key]): Member => [key, id]).sort(compareMembers);
  }

  /** The keys in `fields` that put an item into collections. */
  membershipKeysOf(itemId: string): string[] {
    const collections = [...this.members].filter(([, members]) => members.has(itemId));
    return collections.map(([id]) => schema.memberKey(id, itemId));
  }

  private readonly afterTransaction = (): void => {
    if (!this.touched.size) return;
    const touched = this.flush();
    for (const listener of this.listeners) listener(touched);
  };

  private flush(): ReadonlySet<string> {
    const { touched } = this;
    this.touched = new Set();
    for (const id of touched) {
      put(this.highlights, id, this.highlight(id));
      const note = this.highlights.has(id) ? undefined : this.note(id);
      put(this.notes, id, note);
      put(this.collections, id, this.highlights.has(id) || note ? undefined : this.collection(id));
      this.watchBody(id, note !== undefined);
    }
    this.version += 1;
    return touched;
  }

  private watchBody(id: string, isNote: boolean): void {
    if (!isNote) {
      this.bodies.get(id)?.();
      this.bodies.delete(id);
    } else if (!this.bodies.has(id)) {
      const body = this.doc.getXmlFragment(schema.noteRoot(id));
      const onBody = () => this.touched.add(id);
      body.observeDeep(onBody);
      this.bodies.set(id, () => body.unobserveDeep(onBody));
    }
  }

  private highlight(id: string): Highlight | undefined {
    const made = this.roots.highlights.get(id);
    if (!isObject(made)) return undefined;
    const imported = said(made, this.field(id, schema.IMPORTED));
    return {
      ...this.item(id, made, imported),
      tags: this.tagsOf(id, imported),
      kind: made[schema.KIND] === "bookmark" ? "bookmark" : "highlight",
      anchor: readAnchor(this.field(id, schema.ANCHOR) ?? imported?.anchor ?? made.anchor),
      color: this.text(id, schema.COLOR, imported),
      style: this.text(id, schema.STYLE, imported),
      comment: this.text(id, schema.COMMENT, imported),
    };
  }

  private note(id: string): Note | undefined {
    const made = this.roots.notes.get(id);
    if (!isObject(made)) return undefined;
    const imported = said(made, this.field(id, schema.IMPORTED));
    const body = plainText(this.doc.getXmlFragment(schema.noteRoot(id)));
    return {
      ...this.item(id, made, imported),
      tags: this.tagsOf(id, imported),
      highlightId: typeof made.highlight === "string" ? made.highlight : null,
      title: this.text(id, schema.TITLE, imported),
      text: body || this.text(id, schema.BODY, null),
    };
  }

  private collection(id: string): Collection | undefined {
    const made = this.roots.collections.get(id);
    if (!isObject(made)) return undefined;
    const itemIds = this.membersOf(id).map(([, itemId]) => itemId);
    return { ...this.item(id, made, null), title: this.text(id, schema.TITLE, null), itemIds };
  }

  private tagsOf(id: string, imported: Imported | null): string[] {
    const given = imported?.tags.filter((tag) => !this.roots.fields.has(schema.tagKey(id, tag))) ?? [];
    const all = [...new Set([...(this.tags.get(id) ?? []), ...given])];
    return all.length > 1 ? all.sort(compareText) : all;
  }

  private item(id: string, made: Record<string, unknown>, imported: Imported | null) {
    const deleted = this.field(id, schema.DELETED_AT); // false: a person took it out of a file's trash
    return {
      id,
      createdAtMs: milliseconds(made.createdAt) ?? 0,
      createdBy: typeof made.createdBy === "string" ? made.createdBy : "",
      updatedAtMs: milliseconds(this.field(id, schema.UPDATED_AT)) || (imported?.updatedAtMs ?? 0),
      deletedAtMs: deleted === undefined && imported?.trashed ? (imported.updatedAtMs ?? 0) : milliseconds(deleted),
    };
  }

  private field(id: string, name: string): unknown {
    return this.roots.fields.get(schema.fieldKey(id, name));
  }

  private text(id: string, name: string, imported: Imported | null): string {
    const value = this.field(id, name);
    return typeof value === "string" ? value : (imported?.texts[name] ?? "");
  }
}

function put<Value>(map: Map<string, Value>, id: string, value: Value | undefined): void {
  if (value === undefined) map.delete(id);
  else map.set(id, value);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const milliseconds = (value: unknown): number | null =>
  typeof value === "number" && Math.abs(value) < 2 ** 53 ? Math.trunc(value) : null;
