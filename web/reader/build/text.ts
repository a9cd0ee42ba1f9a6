/** The text, a file for each book: a list of chapters, each a list of verses. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BOOKS } from "../src/bible/books.ts";

/**
 * Writes the books. A verse that begins a paragraph begins with a pilcrow; words in brackets are not in the original, and
 * stand in italics.
 */
export function writeText(from: string, folder: string): void {
  if (existsSync(join(folder, "Rev.json"))) return;
  mkdirSync(folder, { recursive: true });
  const chapters = new Map<string, string[][]>(BOOKS.map(({ english }) => [english, []]));
  for (const [place, text] of Object.entries(JSON.parse(readFileSync(from, "utf-8")) as Record<string, string>)) {
    const [, book, chapter, verse] = /^(.+) (\d+):(\d+)$/.exec(place) ?? [];
    const verses = ((chapters.get(book === "Solomon's Song" ? "Song of Solomon" : book!)!)[Number(chapter) - 1] ??= []);
    verses[Number(verse) - 1] = text.trim().replace(/^# ?/, "¶");
  }
  for (const { id, english, chapters: count } of BOOKS) {
    const book = chapters.get(english)!;
    if (book.length !== count) throw new Error(`${english} has ${book.length} chapters, not ${count}`);
    writeFileSync(join(folder, `${id}.json`), JSON.stringify(book));
  }
}
