/** A library of highlights, notes and collections over a Yjs document: typed edits go in, values come out. */
import * as Y from "yjs";
import { paragraphs, seed } from "./bodies.js";
import { checkedAnchor, checkId, checkTags, checkTexts, InvalidEdit } from "./checks.js";
import { placed } from "./order.js";
import { deviceId, furthestOf, readPosition } from "./positions.js";
import { LibraryQueries } from "./queries.js";
import * as schema from "./schema.js";
import type { Anchor, Highlight } from "./values.js";
import { sameJson, workId } from "./values.js";

export interface NewHighlight {
  anchor: Anchor;
  color?: string;
  style?: string;
  comment?: string;
  tags?: readonly string[];
  kind?: Highlight["kind"];
  /** Made if it is not given. */
  id?: string;
  createdAtMs?: number;
  updatedAtMs?: number;
}

export interface HighlightChange {
  color?: string;
  style?: string;
  comment?: string;
  addTags?: readonly string[];
  removeTags?: readonly string[];
  updatedAtMs?: number;
}

/** Each edit throws `InvalidEdit` if it cannot be made, and then has changed nothing. */
export class LibraryClient extends LibraryQueries {
  addHighlight(made: NewHighlight): string {
    const id = made.id ?? crypto.randomUUID();
    checkId(id);
    const anchor = checkedAnchor(made.anchor);
    checkTexts([made.color, made.style, made.comment]);
    checkTags(made.tags);
    const { highlights } = this.roots;
    const isNew = !highlights.has(id);
    const change = () => {
      if (isNew)
        this.set(highlights, id, {
          anchor,
          createdAt: made.createdAtMs ?? Date.now(),
          createdBy: this.author,
          ...(made.kind === "bookmark" ? { [schema.KIND]: made.kind } : {}),
        });
      this.setTexts(id, { color: made.color ?? "yellow", style: made.style ?? "highlight", comment: made.comment });
      this.setTags(id, made.tags, []);
    };
    this.edit(id, made.updatedAtMs, change, isNew);
    return id;
  }

  editHighlight(id: string, change: HighlightChange): void {
    if (!this.roots.highlights.has(id)) throw new InvalidEdit(`there is no highlight ${JSON.stringify(id)}`);
    checkTexts([change.color, change.style, change.comment]);
    checkTags(change.addTags);
    this.edit(id, change.updatedAtMs, () => {
      this.setTexts(id, { color: change.color, style: change.style, comment: change.comment });
      this.setTags(id, change.addTags, change.removeTags);
    });
  }

  /** Says where a highlight stands now, in a text that has changed; the first anchor stays as it was made. */
  reanchor(id: string, anchor: Anchor): void {
    const made = this.roots.highlights.get(id) as { anchor?: unknown } | undefined;
    if (!made) throw new InvalidEdit(`there is no highlight ${JSON.stringify(id)}`);
    const newer = checkedAnchor(anchor);
    const key = schema.fieldKey(id, schema.ANCHOR);
    const known = this.roots.fields.get(key) ?? this.projection.imported(id)?.anchor ?? made.anchor;
    if (!sameJson(known, newer)) this.edit(id, undefined, () => this.set(this.roots.fields, key, newer));
  }

  addNote(made: { text?: string; title?: string; highlightId?: string; tags?: readonly string[]; id?: string } = {}): string {
    const id = made.id ?? crypto.randomUUID();
    checkId(id);
    checkTexts([made.text, made.title, made.highlightId]);
    checkTags(made.tags);
    const { notes } = this.roots;
    const isNew = !notes.has(id);
    const change = () => {
      if (isNew) {
        const value = { createdAt: Date.now(), createdBy: this.author };
        this.set(notes, id, made.highlightId === undefined ? value : { ...value, highlight: made.highlightId });
        if (made.text) this.doc.getXmlFragment(schema.noteRoot(id)).push(paragraphs(made.text));
      }
      this.setTexts(id, { title: made.title });
      this.setTags(id, made.tags, []);
    };
    this.edit(id, undefined, change, isNew);
    return id;
  }

  editNote(id: string, change: { title?: string; addTags?: readonly string[]; removeTags?: readonly string[] }): void {
    if (!this.roots.notes.has(id)) throw new InvalidEdit(`there is no note ${JSON.stringify(id)}`);
    checkTexts([change.title]);
    checkTags(change.addTags);
    this.edit(id, undefined, () => {
      this.setTexts(id, { title: change.title });
      this.setTags(id, change.addTags, change.removeTags);
    });
  }

  /** Begins a collection, with these highlights and notes in this order. */
  addCollection(made: { title: string; itemIds?: readonly string[]; id?: string }): string {
    const id = made.id ?? crypto.randomUUID();
    checkId(id);
    checkTexts([made.title]);
    this.checkMembers(made.itemIds ?? []);
    const { collections } = this.roots;
    const isNew = !collections.has(id);
    const change = () => {
      if (isNew) this.set(collections, id, { createdAt: Date.now(), createdBy: this.author });
      this.setTexts(id, { title: made.title });
      this.putInto(id, made.itemIds ?? [], null);
    };
    this.edit(id, undefined, change, isNew);
    return id;
  }

  editCollection(id: string, change: { title?: string }): void {
    this.checkCollection(id);
    checkTexts([change.title]);
    this.edit(id, undefined, () => this.setTexts(id, { title: change.title }));
  }

  /** Puts highlights and notes before the item `before`, or at the end; those that are in the collection are moved. */
  addToCollection(id: string, itemIds: readonly string[], before: string | null = null): void {
    this.checkCollection(id);
    this.checkMembers(itemIds);
    if (before !== null && itemIds.includes(before)) throw new InvalidEdit(`${JSON.stringify(before)} cannot come before itself`);
    if (before !== null && !this.roots.fields.has(schema.memberKey(id, before)))
      throw new InvalidEdit(`${JSON.stringify(before)} is not in the collection; name an item that is`);
    this.edit(id, undefined, () => this.putInto(id, itemIds, before));
  }

  /** Takes items out of a collection. They themselves stay. */
  removeFromCollection(id: string, itemIds: readonly string[]): void {
    this.checkCollection(id);
    this.edit(id, undefined, () => {
      for (const itemId of itemIds) this.drop(schema.memberKey(id, itemId));
    });
  }

  /**
   * Says where this browser reads in the anchor's work. Call it no more than once a minute while a place moves: each value
   * that is replaced stays in the document as a deleted one (`ReadingPlace` sees to that).
   */
  setPosition(anchor: Anchor, { work = workId(anchor), deviceName = "" }: { work?: string; deviceName?: string } = {}): void {
    this.checkWritable();
    checkTexts([work, deviceName]);
    const bytes = new TextEncoder().encode(work).length;
    if (!bytes || bytes > 1000) throw new InvalidEdit("a work's name has 1 to 1000 bytes, as workId gives it");
    const place = checkedAnchor(anchor);
    const key = schema.positionKey(deviceId(), work);
    const furthest = furthestOf(readPosition(key, this.roots.positions.get(key), "")?.furthest ?? null, place);
    const value = { anchor: place, at: Date.now(), name: deviceName, ...(furthest ? { furthest } : {}) };
    this.doc.transact(() => {
      this.roots.positions.set(key, value);
      this.sign();
    }, this);
  }

  /**
   * The body of a note, for an editor such as TipTap (y-prosemirror). An imported text is put into it first, as whoever
   * edits it as a body must: an editor that opens an empty body writes into it, and the text would be seen no more.
   */
  noteBody(id: string): Y.XmlFragment {
    const body = this.doc.getXmlFragment(schema.noteRoot(id));
    const key = schema.fieldKey(id, schema.BODY);
    const text = this.roots.fields.get(key);
    if (text === undefined || this.isReadOnly || !this.roots.notes.has(id)) return body;
    // in a transaction of its own: Yjs takes one that has both for a stranger's who uses our client id
    if (typeof text === "string" && text && !body.length)
      Y.applyUpdate(this.doc, seed(id, text, (client) => this.doc.store.clients.has(client)), this);
    this.edit(id, undefined, () => this.drop(key));
    return body;
  }

  /** Moves a highlight or note to the trash; what other devices write into it meanwhile is kept. */
  trash(id: string): void {
    this.checkKnown(id);
    const key = schema.fieldKey(id, schema.DELETED_AT);
    const { fields } = this.roots;
    this.edit(id, undefined, () => {
      const given = fields.get(key) ?? this.projection.imported(id)?.trashed ?? false;
      if (given === false) this.set(fields, key, Date.now());
    });
  }

  restore(id: string): void {
    this.checkKnown(id);
    const key = schema.fieldKey(id, schema.DELETED_AT);
    const { fields } = this.roots;
    this.edit(id, undefined, () => {
      if (!this.projection.imported(id)?.trashed) this.drop(key);
      else if (fields.get(key) !== false) this.set(fields, key, false); // the file would trash it again
    });
  }

  /** Destroys an item. It is the one edit that can lose what another device writes at the same time. */
  purge(id: string): void {
    this.checkKnown(id);
    this.checkWritable();
    const { highlights, notes, collections, fields } = this.roots;
    this.doc.transact(() => {
      for (const key of this.projection.membershipKeysOf(id)) fields.delete(key);
      for (const key of [...fields.keys()]) if (key.startsWith(`${id}/`)) fields.delete(key);
      for (const items of [highlights, notes, collections]) if (items.has(id)) items.delete(id);
      const body = this.doc.getXmlFragment(schema.noteRoot(id));
      if (body.length) body.delete(0, body.length);
    }, this);
  }

  private putInto(collectionId: string, itemIds: readonly string[], before: string | null): void {
    const moved = [...new Set(itemIds)];
    const there = this.projection.membersOf(collectionId);
    let order = there.filter(([, id]) => !moved.includes(id));
    const found = order.findIndex(([, id]) => id === before);
    let index = found < 0 ? order.length : found;
    const wanted = order.map(([, id]) => id);
    wanted.splice(index, 0, ...moved);
    if (wanted.join("/") === there.map(([, id]) => id).join("/")) return;
    for (const itemId of moved) {
      const keys = placed(order, index, itemId);
      for (const [id, key] of keys) this.set(this.roots.fields, schema.memberKey(collectionId, id), key);
      if (keys.size > 1) order = order.map(([key, id]) => [keys.get(id) ?? key, id]);
      order.splice(index, 0, [keys.get(itemId)!, itemId]);
      index += 1;
    }
  }

  private checkKnown(id: string): void {
    const { highlights, notes, collections } = this.roots;
    if (![highlights, notes, collections].some((items) => items.has(id)))
      throw new InvalidEdit(`there is no highlight, note or collection ${JSON.stringify(id)}`);
  }

  private checkCollection(id: string): void {
    if (!this.roots.collections.has(id)) throw new InvalidEdit(`there is no collection ${JSON.stringify(id)}`);
  }

  private checkMembers(itemIds: readonly string[]): void {
    const stranger = itemIds.find((id) => !this.roots.highlights.has(id) && !this.roots.notes.has(id));
    if (stranger !== undefined)
      throw new InvalidEdit(`there is no highlight or note ${JSON.stringify(stranger)} to put into a collection`);
  }
}
