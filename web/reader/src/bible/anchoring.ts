/**
 * From a selection to an anchor, and from an anchor to where it stands.
 *
 * Offsets here are UTF-16 units of the book's text; an anchor's position counts code points from the first verse that its
 * source names, as the desktop reader has it. An anchor of which the words are not found, or found at several places,
 * marks the verses that it names and says so: it never points at other words with confidence.
 */
import type { Anchor } from "crdt-sync";
import { parseSource, progressionOf, sourceOf } from "./place";
import type { Chapter, VerseRange } from "./place";
import { WORK } from "./text";
import type { BookText, VerseText } from "./text";

const CONTEXT = 32;

export interface Standing {
  readonly start: number;
  readonly end: number;
  /** `verse`: the source names verses and nothing else; `unsure`: the words were not found, or at several places. */
  readonly found: "words" | "verse" | "unsure";
}

/** Returns the anchor of `[start, end)` of a book's text; null if there are no words in it. */
export function anchorOf(book: BookText, start: number, end: number): Anchor | null {
  while (start < end && /\s/.test(book.text[start]!)) start += 1;
  while (end > start && /\s/.test(book.text[end - 1]!)) end -= 1;
  if (start >= end) return null;
  const first = verseAt(book, start);
  const last = verseAt(book, end - 1);
  if (!first || !last) return null;
  const base = first.verse.start;
  const from = codePoints(book.text.slice(base, start));
  return {
    work: WORK,
    source: sourceOf(placeOfVerse(book, first), placeOfVerse(book, last)),
    quote: {
      exact: book.text.slice(start, end),
      prefix: book.text.slice(Math.max(0, start - CONTEXT), start),
      suffix: book.text.slice(end, end + CONTEXT),
    },
    position: { start: from, end: from + codePoints(book.text.slice(start, end)), unit: "codepoint" },
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
  if (anchor.position) {
    const start = low + utf16Length(book.text.slice(low, high), anchor.position.start);
    if (book.text.startsWith(exact, start) && start + exact.length <= high) return words(start, exact);
  }
  const places = allOf(book.text, exact, low, high);
  if (places.length === 1) return words(places[0]!, exact);
  const fitting = places.filter((start) => hasContext(book.text, start, exact, anchor.quote!));
  if (fitting.length === 1) return words(fitting[0]!, exact);
  if (!places.length) {
    const loose = loosely(book.text, exact, low, high);
    if (loose) return loose;
  }
  return { start: low, end: high, found: "unsure" };
}

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

const words = (start: number, exact: string): Standing => ({ start, end: start + exact.length, found: "words" });

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

function allOf(text: string, exact: string, low: number, high: number): number[] {
  const places: number[] = [];
  for (let at = text.indexOf(exact, low); at >= 0 && at + exact.length <= high; at = text.indexOf(exact, at + 1)) places.push(at);
  return places;
}

function hasContext(text: string, start: number, exact: string, { prefix = "", suffix = "" }: { prefix?: string; suffix?: string }): boolean {
  return text.slice(0, start).endsWith(prefix) && text.startsWith(suffix, start + exact.length);
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

/** How many code points a text has. */
export function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** How many UTF-16 units the first `count` code points of a text have. */
export function utf16Length(text: string, count: number): number {
  let units = 0;
  for (const character of text) {
    if (count-- <= 0) break;
    units += character.length;
  }
  return units;
}
