/** The languages, and which one is spoken. */
import { createContext, useContext } from "react";
import type { Book } from "../bible/books";
import { BOOK_OF } from "../bible/books";
import { parseSource } from "../bible/place";
import { english } from "./english";
import type { Texts } from "./english";
import { german } from "./german";

export type { Texts };
export type Language = "en" | "de";
export const LANGUAGES: Record<Language, Texts> = { en: english, de: german };

/** Returns the language that the browser prefers of those there are. */
export function preferredLanguage(preferred: readonly string[]): Language {
  for (const each of preferred) {
    const language = each.slice(0, 2).toLowerCase();
    if (language in LANGUAGES) return language as Language;
  }
  return "en";
}

export const TextsContext = createContext<{ language: Language; texts: Texts }>({ language: "en", texts: english });
export const useTexts = (): Texts => useContext(TextsContext).texts;

export const bookName = (book: Book, language: Language): string => (language === "de" ? book.german : book.english);

/** Returns a function that says an OSIS place in words: `Gen.1.1-Gen.1.3` is "Genesis 1:1–3". */
export function usePlaceName(): (source: string | undefined) => string {
  const { language } = useContext(TextsContext);
  return (source) => placeName(source, language);
}

export function placeName(source: string | undefined, language: Language): string {
  const range = parseSource(source);
  if (!range) return source ?? "";
  const separator = language === "de" ? "," : ":";
  const [chapter, verse] = range.first;
  const [lastChapter, lastVerse] = range.last;
  let name = bookName(BOOK_OF.get(range.book)!, language);
  if (chapter) name += ` ${chapter}`;
  if (verse) name += `${separator}${verse}`;
  if (lastChapter !== chapter && Number.isFinite(lastChapter))
    name += `–${lastChapter}${Number.isFinite(lastVerse) ? `${separator}${lastVerse}` : ""}`;
  else if (verse && lastVerse !== verse && Number.isFinite(lastVerse)) name += `–${lastVerse}`;
  return name;
}
