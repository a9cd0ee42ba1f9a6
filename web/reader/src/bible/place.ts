/** Places in the text: chapters, and the OSIS verses and ranges that anchors name (`Gen.1.1`, `Gen.1.1-Gen.1.3`). */
import { BOOKS, BOOK_OF, CHAPTERS, ORDER_OF } from "./books";

export interface Chapter {
  readonly book: string;
  readonly chapter: number;
}

export interface Verse extends Chapter {
  readonly verse: number;
}

/** First and last verse; a whole chapter or book has 0 and Infinity where it names no chapter or verse. */
export interface VerseRange {
  readonly book: string;
  readonly first: readonly [chapter: number, verse: number];
  readonly last: readonly [chapter: number, verse: number];
}

const PART = /^(?:[\w.]+:)?(\d?[A-Za-z]+)(?:\.(\d+))?(?:\.(\d+))?$/;

/** Returns the verses that an anchor's source names, or null if it names none in one book of this text. */
export function parseSource(source: string | undefined): VerseRange | null {
  if (!source || source.length > 200) return null;
  const [from, to, more] = source.split("-");
  const start = PART.exec(from!);
  const end = to === undefined ? start : PART.exec(to);
  if (!start || !end || more !== undefined || start[1] !== end[1] || !BOOK_OF.has(start[1]!)) return null;
  return {
    book: start[1]!,
    first: [Number(start[2] ?? 0), Number(start[3] ?? 0)],
    last: [Number(end[2] ?? Infinity), Number(end[3] ?? Infinity)],
  };
}

export function sourceOf(first: Verse, last: Verse): string {
  const from = verseId(first);
  const to = verseId(last);
  return from === to ? from : `${from}-${to}`;
}

export const verseId = ({ book, chapter, verse }: Verse): string => `${book}.${chapter}.${verse}`;
export const chapterId = ({ book, chapter }: Chapter): string => `${book}.${chapter}`;

/** A number that grows in the order of the text; what is no verse comes last. */
export function placeOf(source: string | undefined): number {
  const range = parseSource(source);
  if (!range) return Number.MAX_SAFE_INTEGER;
  return ORDER_OF.get(range.book)! * 1e8 + range.first[0] * 1e4 + range.first[1];
}

export function nextChapter({ book, chapter }: Chapter): Chapter | null {
  if (chapter < BOOK_OF.get(book)!.chapters) return { book, chapter: chapter + 1 };
  const next = BOOKS[ORDER_OF.get(book)! + 1];
  return next ? { book: next.id, chapter: 1 } : null;
}

export function previousChapter({ book, chapter }: Chapter): Chapter | null {
  if (chapter > 1) return { book, chapter: chapter - 1 };
  const before = BOOKS[ORDER_OF.get(book)! - 1];
  return before ? { book: before.id, chapter: before.chapters } : null;
}

/** How far into the whole text a chapter stands, 0 to 1. */
export function progressionOf({ book, chapter }: Chapter): number {
  let before = 0;
  for (const each of BOOKS) {
    if (each.id === book) break;
    before += each.chapters;
  }
  return (before + chapter - 1) / CHAPTERS;
}

/** Reads `Gen.1` or `Gen.1.3`, as addresses and links have it. */
export function parsePlace(text: string): (Chapter & { readonly verse: number | null }) | null {
  const range = parseSource(text);
  const book = range && BOOK_OF.get(range.book);
  if (!range || !book) return null;
  const chapter = Math.min(Math.max(range.first[0], 1), book.chapters);
  return { book: range.book, chapter, verse: range.first[1] || null };
}
