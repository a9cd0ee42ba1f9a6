/**
 * From a selection to an anchor, and from an anchor to where it stands.
 *
 * Offsets here are UTF-16 units of the book's text; an anchor's position counts code points from the first verse that its
 * source names, as the desktop reader has it. What the package is not sure of marks the verses that are named and says so:
 * it never points at other words with confidence.
 */
import { Offsets, anchorOf as anchorIn, resolve as resolveIn } from "crdt-sync";
import type { Anchor, Position } from "crdt-sync";
import { parseSource, progressionOf, sourceOf } from "./place";
import type { Chapter, VerseRange } from "./place";
import { WORK } from "./text";
import type { BookText, VerseText } from "./text";

/** So much of the text before and after the verses holds what anchors keep of it: 32 characters, in UTF-16 units. */
const AROUND = 64;

export interface Standing {
  readonly start: number;
  readonly end: number;
  /** `verse`: the source names verses and nothing else; `unsure`: the words were not found, or at several places. */
  readonly found: "words" | "verse" | "unsure";
}

/** Returns the anchor of `[start, end)` of a book's text; null if there are no words in it. */
export function anchorOf(book: BookText, start: number, end: number): Anchor | null {
  if (isInsideCharacter(book.text, start)) start += 1;
  if (isInsideCharacter(book.text, end)) end -= 1;
  while (start < end && /\s/.test(book.text[start]!)) start += 1;
  while (end > start && /\s/.test(book.text[end - 1]!)) end -= 1;
  if (start >= end) return null;
  const first = verseAt(book, start);
  const last = verseAt(book, end - 1);
  if (!first || !last) return null;
  const offsets = new Offsets(book.text);
  const anchor = anchorIn(offsets, start, end, { work: WORK, source: sourceOf(placeOfVerse(book, first), placeOfVerse(book, last)) });
  return {
    ...anchor,
    position: moved(anchor.position!, -offsets.fromUtf16(first.verse.start)),
    progression: progressionOf({ book: book.id, chapter: first.chapter }),
  };
}

/** Returns where an anchor stands in the book that its source names; null if it names none of its verses. */
export function resolve(book: BookText, anchor: Anchor): Standing | null {
  const range = parseSource(anchor.source);
  if (!range || range.book !== book.id) return null;
  const verses = extentOf(book, range);
  if (!verses) return null;
  const [low, high] = verses;
  const exact = anchor.quote?.exact;
  if (!exact) return { start: low, end: high, found: "verse" };
  return (
    placeIn(book, [low - AROUND, high + AROUND], verses, anchor) ?? // with what was around the words
    placeIn(book, verses, verses, { ...anchor, quote: { exact } }) ?? // in another edition something else may be
    loosely(book.text, exact, low, high) ?? { start: low, end: high, found: "unsure" }
  );
}

/** Looks in a part of the book for what lies in the verses. They are named, so one place is enough, however few the words. */
function placeIn({ text }: BookText, [from, to]: Extent, [low, high]: Extent, anchor: Anchor): Standing | null {
  from = Math.max(from, 0);
  if (isInsideCharacter(text, from)) from -= 1;
  if (isInsideCharacter(text, to)) to += 1;
  const part = new Offsets(text.slice(from, to));
  const position = anchor.position && moved(anchor.position, part.fromUtf16(low - from));
  const { range, candidates } = resolveIn(part, { ...anchor, ...(position && { position }) });
  const place = range ?? (candidates.length === 1 ? candidates[0]! : null);
  if (!place || from + place[0] < low || from + place[1] > high) return null;
  return { start: from + place[0], end: from + place[1], found: "words" };
}

type Extent = readonly [low: number, high: number];

const moved = ({ start, end, unit }: Position, by: number): Position => ({ start: start + by, end: end + by, unit });
const isInsideCharacter = (text: string, at: number): boolean => /[\uDC00-\uDFFF]/.test(text[at] ?? "");

/** Returns the verses of a chapter that `[start, end)` has a part in, with that part in the verse's own units. */
export function partsIn(verses: readonly VerseText[], start: number, end: number): { verse: number; start: number; end: number }[] {
  const parts = [];
  for (const verse of verses) {
    const from = Math.max(start, verse.start);
    const to = Math.min(end, verse.start + verse.text.length);
    if (from < to) parts.push({ verse: verse.number, start: from - verse.start, end: to - verse.start });
  }
  return parts;
}

function extentOf(book: BookText, { first, last }: VerseRange): [number, number] | null {
  let low = -1;
  let high = -1;
  book.chapters.forEach((verses, at) => {
    const chapter = at + 1;
    if (chapter < first[0] || chapter > last[0]) return;
    for (const verse of verses) {
      if ((chapter === first[0] && verse.number < first[1]) || (chapter === last[0] && verse.number > last[1])) continue;
      if (low < 0) low = verse.start;
      high = verse.start + verse.text.length;
    }
  });
  return low < 0 ? null : [low, high];
}

/** The same letters and digits, whatever stands between them; only if they stand at one place. */
function loosely(text: string, exact: string, low: number, high: number): Standing | null {
  const within = letters(text.slice(low, high));
  const wanted = letters(exact).text;
  if (!wanted) return null;
  const at = within.text.indexOf(wanted);
  if (at < 0 || within.text.indexOf(wanted, at + 1) >= 0) return null;
  return { start: low + within.at[at]!, end: low + within.at[at + wanted.length - 1]! + 1, found: "words" };
}

function letters(text: string): { text: string; at: number[] } {
  const at: number[] = [];
  let kept = "";
  for (let index = 0; index < text.length; index += 1)
    if (/[\p{L}\p{N}]/u.test(text[index]!)) {
      kept += text[index]!.toLowerCase()[0];
      at.push(index);
    }
  return { text: kept, at };
}

function verseAt(book: BookText, offset: number): { chapter: number; verse: VerseText } | null {
  for (const [at, verses] of book.chapters.entries()) {
    const last = verses.at(-1);
    if (!last || offset >= last.start + last.text.length + 1) continue;
    const verse = verses.findLast((each) => each.start <= offset);
    return verse ? { chapter: at + 1, verse } : null;
  }
  return null;
}

const placeOfVerse = (book: BookText, { chapter, verse }: { chapter: number; verse: VerseText }): Chapter & { verse: number } => ({
  book: book.id,
  chapter,
  verse: verse.number,
});
