/** Which marks stand on which verse of a chapter. Where a highlight stands is found once for as long as it is the same. */
import { workId } from "crdt-sync";
import type { Highlight } from "crdt-sync";
import { useMemo } from "react";
import { partsIn, resolve } from "../bible/anchoring";
import type { Standing } from "../bible/anchoring";
import { placeOf } from "../bible/place";
import { ORDER_OF } from "../bible/books";
import { isThisWork } from "../bible/text";
import type { BookText } from "../bible/text";
import { shownColor } from "./colors";
import type { Mark } from "./segments";

const standings = new WeakMap<Highlight, Standing | null>();
const places = new WeakMap<Highlight, number>();

/** Returns where a highlight comes in the order of the text. */
export function orderOf(highlight: Highlight): number {
  let place = places.get(highlight);
  if (place === undefined) {
    place = isThisWork(workId(highlight.anchor)) ? placeOf(highlight.anchor.source) : Number.MAX_SAFE_INTEGER;
    places.set(highlight, place);
  }
  return place;
}

export function standingOf(book: BookText, highlight: Highlight): Standing | null {
  let standing = standings.get(highlight);
  if (standing === undefined) {
    standing = isThisWork(workId(highlight.anchor)) ? resolve(book, highlight.anchor) : null;
    standings.set(highlight, standing);
  }
  return standing;
}

/** `highlights` are those of all books; `annotated` holds the ids of those that a note is on. */
export function useMarks(book: BookText | null, chapter: number, highlights: readonly Highlight[], annotated: ReadonlySet<string>): ReadonlyMap<number, readonly Mark[]> {
  return useMemo(() => {
    const marks = new Map<number, Mark[]>();
    const verses = book?.chapters[chapter - 1];
    if (!book || !verses) return marks;
    const order = ORDER_OF.get(book.id)!;
    for (const highlight of highlights) {
      if (highlight.kind !== "highlight" || Math.floor(orderOf(highlight) / 1e8) !== order) continue;
      const standing = standingOf(book, highlight);
      if (!standing) continue;
      const hasNote = highlight.comment !== "" || annotated.has(highlight.id);
      for (const { verse, start, end } of partsIn(verses, standing.start, standing.end)) {
        const mark = { id: highlight.id, color: shownColor(highlight.color), start, end, isUnsure: standing.found === "unsure", hasNote };
        const there = marks.get(verse);
        if (there) there.push(mark);
        else marks.set(verse, [mark]);
      }
    }
    return marks;
  }, [book, chapter, highlights, annotated]);
}
