/**
 * A library of highlights and notes over a Yjs document: typed edits go in, values come out.
 *
 * Each edit is one transaction, writes the keys that change and `updatedAt`, and no other: an unchanged key that is
 * written again leaves a tombstone for ever.
 */
import * as Y from "yjs";
import { Projection } from "./projection";
import * as schema from "./schema";
import type { Anchor, Highlight, Note } from "./values";
import { liesWithin, workId } from "./values";

/** An edit that cannot be made; nothing has changed. */
export class InvalidEdit extends Error {
  override name = "InvalidEdit";
}

export interface HighlightFilter {
  work?: string;
  /** A source or what it lies in: `Gen.1` finds `Gen.1.1-Gen.1.3`. */
  within?: string;
  color?: string;
  tag?: string;
  kind?: Highlight["kind"];
  /** Those in the trash, and no other. */
  trashed?: boolean;
  /** Words that quote, comment, tags or heading hold, in any case. */
  text?: string;
}

export interface NoteFilter {
  highlightId?: string;
  tag?: string;
  trashed?: boolean;
  text?: string;
}

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

export class LibraryClient {
  private readonly projection: Projection;
  private readonly highlightMap: Y.Map<unknown>;
  private readonly noteMap: Y.Map<unknown>;
  private readonly fields: Y.Map<unknown>;
  private readonly meta: Y.Map<unknown>;
  private wrote = false; // anything in the edit that is being made

  /** `author` stands in what is made here. Load the document first: its client id is drawn anew, and must be unknown to it. */
  constructor(
    readonly doc: Y.Doc,
    private readonly author = "",
  ) {
    drawClientId(doc);
    this.highlightMap = doc.getMap(schema.HIGHLIGHTS);
    this.noteMap = doc.getMap(schema.NOTES);
    this.fields = doc.getMap(schema.FIELDS);
    this.meta = doc.getMap(schema.META);
    this.projection = new Projection(doc);
  }

  // Reading

  highlight(id: string): Highlight | undefined {
    return this.projection.highlights.get(id);
  }

  note(id: string): Note | undefined {
    return this.projection.notes.get(id);
  }

  /** Returns highlights, the oldest first; a reader that knows its text sorts by place. */
  highlights(filter: HighlightFilter = {}): Highlight[] {
    const words = wordsOf(filter.text);
    const found: Highlight[] = [];
    for (const each of this.projection.highlights.values()) {
      if ((each.deletedAtMs !== null) !== (filter.trashed ?? false)) continue;
      if (filter.work !== undefined && workId(each.anchor) !== filter.work) continue;
      if (filter.within !== undefined && !liesWithin(each.anchor.source, filter.within)) continue;
      if (filter.color !== undefined && each.color !== filter.color) continue;
      if (filter.kind !== undefined && each.kind !== filter.kind) continue;
      if (filter.tag !== undefined && !each.tags.includes(filter.tag)) continue;
      const { quote, heading } = each.anchor;
      if (!hasWords(words, [quote?.exact, each.comment, heading, ...each.tags])) continue;
      found.push(each);
    }
    return found.sort((one, other) => one.createdAtMs - other.createdAtMs || (one.id < other.id ? -1 : 1));
  }

  /** Returns notes, the newest first. */
  notes(filter: NoteFilter = {}): Note[] {
    const words = wordsOf(filter.text);
    const found: Note[] = [];
    for (const each of this.projection.notes.values()) {
      if ((each.deletedAtMs !== null) !== (filter.trashed ?? false)) continue;
      if (filter.highlightId !== undefined && each.highlightId !== filter.highlightId) continue;
      if (filter.tag !== undefined && !each.tags.includes(filter.tag)) continue;
      if (!hasWords(words, [each.title, each.text, ...each.tags])) continue;
      found.push(each);
    }
    return found.sort((one, other) => other.createdAtMs - one.createdAtMs || (one.id < other.id ? -1 : 1));
  }

  /** The body of a note, for an editor such as TipTap (y-prosemirror). */
  noteBody(id: string): Y.XmlFragment {
    return this.doc.getXmlFragment(schema.noteRoot(id));
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

  // Editing; each throws `InvalidEdit` and then has changed nothing

  addHighlight(made: NewHighlight): string {
    const id = made.id ?? crypto.randomUUID();
    checkId(id);
    const anchor = checkedAnchor(made.anchor);
    this.edit(id, made.updatedAtMs, () => {
      if (!this.highlightMap.has(id))
        this.set(this.highlightMap, id, {
          anchor,
          createdAt: made.createdAtMs ?? Date.now(),
          createdBy: this.author,
          ...(made.kind === "bookmark" ? { [schema.KIND]: made.kind } : {}),
        });
      this.setTexts(id, { color: made.color ?? "yellow", style: made.style ?? "highlight", comment: made.comment });
      this.setTags(id, made.tags, []);
    });
    return id;
  }

  editHighlight(id: string, change: HighlightChange): void {
    if (!this.highlightMap.has(id)) throw new InvalidEdit(`there is no highlight ${JSON.stringify(id)}`);
    this.edit(id, change.updatedAtMs, () => {
      this.setTexts(id, { color: change.color, style: change.style, comment: change.comment });
      this.setTags(id, change.addTags, change.removeTags);
    });
  }

  addNote(made: { text?: string; title?: string; highlightId?: string; tags?: readonly string[]; id?: string } = {}): string {
    const id = made.id ?? crypto.randomUUID();
    checkId(id);
    this.edit(id, undefined, () => {
      if (!this.noteMap.has(id)) {
        const value = { createdAt: Date.now(), createdBy: this.author };
        this.set(this.noteMap, id, made.highlightId === undefined ? value : { ...value, highlight: made.highlightId });
        if (made.text) this.noteBody(id).push(made.text.split("\n").map(paragraph));
      }
      this.setTexts(id, { title: made.title });
      this.setTags(id, made.tags, []);
    });
    return id;
  }

  editNote(id: string, change: { title?: string; addTags?: readonly string[]; removeTags?: readonly string[] }): void {
    if (!this.noteMap.has(id)) throw new InvalidEdit(`there is no note ${JSON.stringify(id)}`);
    this.edit(id, undefined, () => {
      this.setTexts(id, { title: change.title });
      this.setTags(id, change.addTags, change.removeTags);
    });
  }

  /** Moves a highlight or note to the trash; what other devices write into it meanwhile is kept. */
  trash(id: string): void {
    this.checkKnown(id);
    const key = schema.fieldKey(id, schema.DELETED_AT);
    this.edit(id, undefined, () => {
      if (!this.fields.has(key)) this.set(this.fields, key, Date.now());
    });
  }

  restore(id: string): void {
    this.checkKnown(id);
    this.edit(id, undefined, () => this.drop(schema.fieldKey(id, schema.DELETED_AT)));
  }

  /** Destroys an item. It is the one edit that can lose what another device writes at the same time. */
  purge(id: string): void {
    this.checkKnown(id);
    this.checkWritable();
    this.doc.transact(() => {
      for (const key of [...this.fields.keys()]) if (key.startsWith(`${id}/`)) this.fields.delete(key);
      this.highlightMap.delete(id);
      this.noteMap.delete(id);
      const body = this.noteBody(id);
      if (body.length) body.delete(0, body.length);
    }, this);
  }

  /** Lets go of the document, which stays the caller's. */
  close(): void {
    this.projection.close();
  }

  private edit(id: string, updatedAtMs: number | undefined, change: () => void): void {
    this.checkWritable();
    this.doc.transact(() => {
      this.wrote = false;
      change();
      if (!this.wrote) return;
      this.fields.set(schema.fieldKey(id, schema.UPDATED_AT), updatedAtMs ?? Date.now());
      if (!this.meta.has(schema.META_SCHEMA)) {
        this.meta.set(schema.META_SCHEMA, schema.SCHEMA);
        this.meta.set(schema.META_MIN_WRITER, schema.SCHEMA);
      }
    }, this);
  }

  private setTexts(id: string, texts: Record<string, string | undefined>): void {
    for (const [name, text] of Object.entries(texts)) {
      const key = schema.fieldKey(id, name);
      if (text !== undefined && (this.fields.get(key) ?? "") !== text) this.set(this.fields, key, text);
    }
  }

  private setTags(id: string, add: readonly string[] = [], remove: readonly string[] = []): void {
    for (const tag of add) {
      const key = schema.tagKey(id, tag);
      if (this.fields.get(key) !== true) this.set(this.fields, key, true);
    }
    for (const tag of remove) this.drop(schema.tagKey(id, tag));
  }

  private set(map: Y.Map<unknown>, key: string, value: unknown): void {
    map.set(key, value);
    this.wrote = true;
  }

  private drop(key: string): void {
    if (!this.fields.has(key)) return;
    this.fields.delete(key);
    this.wrote = true;
  }

  private checkKnown(id: string): void {
    if (!this.highlightMap.has(id) && !this.noteMap.has(id))
      throw new InvalidEdit(`there is no highlight or note ${JSON.stringify(id)}`);
  }

  private checkWritable(): void {
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

function checkId(id: string): void {
  const bytes = new TextEncoder().encode(id).length;
  if (!bytes || bytes > 200 || id.includes("/")) throw new InvalidEdit("an id has 1 to 200 bytes and no slash");
}

/** A bare verse id makes a whole anchor; what is given is copied, and holds JSON values only. */
function checkedAnchor(anchor: Anchor): Anchor {
  const { source, quote, position, opaque } = anchor;
  if (source === undefined && !quote && !position && !opaque?.length)
    throw new InvalidEdit("an anchor needs a source, a quote, a position or a foreign selector");
  if (position && !(position.start >= 0 && position.start <= position.end))
    throw new InvalidEdit("a position starts at 0 or later and does not end before it starts");
  try {
    return JSON.parse(JSON.stringify(anchor)) as Anchor;
  } catch (error) {
    throw new InvalidEdit(`an anchor holds only JSON values: ${String(error)}`);
  }
}

function paragraph(line: string): Y.XmlElement {
  const element = new Y.XmlElement("paragraph");
  if (line) element.insert(0, [new Y.XmlText(line)]);
  return element;
}

const wordsOf = (text = ""): string[] => text.toLowerCase().split(/\s+/).filter(Boolean);

function hasWords(words: readonly string[], parts: readonly (string | undefined)[]): boolean {
  if (!words.length) return true;
  const text = parts.filter(Boolean).join("\n").toLowerCase();
  return words.every((word) => text.includes(word));
}
