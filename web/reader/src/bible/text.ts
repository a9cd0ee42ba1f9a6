/// <reference types="vite/client" />
/** The text, loaded a book at a time and kept. */

export interface VerseText {
  readonly number: number;
  readonly text: string;
  /** Where words stand that the translators added, in UTF-16 units. */
  readonly italics: readonly (readonly [start: number, end: number])[];
  readonly beginsParagraph: boolean;
  /** Where it stands in the book's text. */
  readonly start: number;
}

/** The book as one text, a verse a line, so that anchors of several verses and chapters resolve in it. */
export interface BookText {
  readonly id: string;
  readonly text: string;
  readonly chapters: readonly (readonly VerseText[])[];
}

export const WORK = { id: "Bible.KJV", title: "The Holy Bible, King James Version" } as const;
/** The works whose verses are this text's; an anchor of another work is not looked for here. */
export const isThisWork = (id: string): boolean => id === "" || id === WORK.id;

const FILES = import.meta.glob<string>("../../.text/*.json", { eager: true, query: "?url", import: "default" });
const loading = new Map<string, Promise<BookText>>();
const loaded = new Map<string, BookText>();

/** Returns a book that has been loaded. */
export const loadedBook = (id: string): BookText | undefined => loaded.get(id);

/** Loads a book. Rejects if it is not in this browser and there is no network; asked again, it tries again. */
export function loadBook(id: string): Promise<BookText> {
  let promise = loading.get(id);
  if (!promise) {
    promise = fetchBook(id);
    loading.set(id, promise);
    promise.catch(() => loading.delete(id));
  }
  return promise;
}

async function fetchBook(id: string): Promise<BookText> {
  const answer = await fetch(FILES[`../../.text/${id}.json`]!);
  if (!answer.ok) throw new Error(`the book ${id} could not be loaded: ${answer.status}`);
  const book = readBook(id, (await answer.json()) as string[][]);
  loaded.set(id, book);
  return book;
}

/** Reads a book as the build writes it (`build/text.ts`). */
export function readBook(id: string, raw: readonly (readonly string[])[]): BookText {
  const lines: string[] = [];
  let start = 0;
  const chapters = raw.map((verses) =>
    verses.map((marked, at): VerseText => {
      const { text, italics } = withoutBrackets(marked.replace(/^¶/, ""));
      const verse = { number: at + 1, text, italics, beginsParagraph: at === 0 || marked.startsWith("¶"), start };
      lines.push(text);
      start += text.length + 1;
      return verse;
    }),
  );
  return { id, text: lines.join("\n"), chapters };
}

function withoutBrackets(marked: string): { text: string; italics: [number, number][] } {
  const italics: [number, number][] = [];
  let text = "";
  for (const part of marked.split(/(\[[^\]]*\])/)) {
    const isAdded = part.startsWith("[");
    const words = isAdded ? part.slice(1, -1) : part;
    if (isAdded && words) italics.push([text.length, text.length + words.length]);
    text += words;
  }
  return { text, italics };
}
