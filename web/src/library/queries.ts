/** What a library answers: values, and lists of them. */
import { deviceId, readPosition, SAME_PLACE, suggest } from "./positions.js";
import type { Jump } from "./positions.js";
import type { Anchor, Collection, Highlight, Note, ReadingPosition } from "./values.js";
import { liesWithin, workId } from "./values.js";
import { compareText } from "./order.js";
import { LibraryWriter } from "./writer.js";

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

export interface CollectionFilter {
  /** Those in the trash, and no other. */
  trashed?: boolean;
}

/** A tag, and how many highlights and notes outside the trash have it. */
export interface TagCount {
  readonly tag: string;
  readonly items: number;
}

/** The part of `LibraryClient` that reads. */
export abstract class LibraryQueries extends LibraryWriter {
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

  collection(id: string): Collection | undefined {
    return this.projection.collections.get(id);
  }

  /** Returns collections, the oldest first. */
  collections({ trashed = false }: CollectionFilter = {}): Collection[] {
    const found = [...this.projection.collections.values()].filter((each) => (each.deletedAtMs !== null) === trashed);
    return found.sort((one, other) => one.createdAtMs - other.createdAtMs || (one.id < other.id ? -1 : 1));
  }

  /** Returns what is in a collection, in its order, without what is in the trash. */
  collectionItems(id: string): (Highlight | Note)[] {
    const items = this.projection.membersOf(id).map(([, itemId]) => this.highlight(itemId) ?? this.note(itemId));
    return items.filter((item) => item !== undefined).filter((item) => item.deletedAtMs === null);
  }

  /** Returns the tags of all that is outside the trash, the commonest first. */
  tags(): TagCount[] {
    const counts = new Map<string, number>();
    for (const items of [this.projection.highlights, this.projection.notes])
      for (const { tags, deletedAtMs } of items.values())
        if (deletedAtMs === null) for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
    const found = [...counts].map(([tag, items]) => ({ tag, items }));
    return found.sort((one, other) => other.items - one.items || compareText(one.tag, other.tag));
  }

  /** Raised with every change of a reading position. */
  get positionsVersion(): number {
    return this.places.version;
  }

  /** Calls `listener` whenever a device's reading position has changed, until what is returned is called. */
  listenToPositions(listener: () => void): () => void {
    return this.places.listen(listener);
  }

  /** Returns where each device reads, the latest first; in one work if it is named (`workId`). */
  positions(work?: string): ReadingPosition[] {
    const own = deviceId();
    const all = [...this.roots.positions.entries()].map(([key, value]) => readPosition(key, value, own));
    const found = all.filter((each) => each !== null).filter((each) => work === undefined || each.work === work);
    return found.sort((one, other) => other.atMs - one.atMs || (one.device < other.device ? -1 : 1));
  }

  /** Returns the place to offer to who opens a work here, or null; see `suggest`. */
  jump(work: string, declined: readonly Anchor[] = [], samePlace = SAME_PLACE): Jump | null {
    return suggest(this.positions(work), declined, samePlace);
  }
}

const wordsOf = (text = ""): string[] => text.toLowerCase().split(/\s+/).filter(Boolean);

function hasWords(words: readonly string[], parts: readonly (string | undefined)[]): boolean {
  if (!words.length) return true;
  const text = parts.filter(Boolean).join("\n").toLowerCase();
  return words.every((word) => text.includes(word));
}
