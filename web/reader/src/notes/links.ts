/** What a note may link to: web addresses, mail, and places of the library. Anything else is text. */
import type { Note } from "crdt-sync";
import { parsePlace } from "../bible/place";

export type Target =
  | { readonly kind: "note"; readonly id: string }
  | { readonly kind: "highlight"; readonly id: string }
  | { readonly kind: "verse"; readonly source: string }
  | { readonly kind: "web"; readonly url: string };

const ID = /^[^/\s]{1,200}$/;

/** Reads an address as it stands in a note, from whomever; null if it leads nowhere that we go. */
export function targetOf(href: unknown): Target | null {
  if (typeof href !== "string" || href.length > 2048) return null;
  const [, scheme, rest] = /^([a-z]+):(.*)$/i.exec(href) ?? [];
  switch (scheme?.toLowerCase()) {
    case "note":
    case "highlight": {
      const id = decoded(rest!);
      return id !== null && ID.test(id) ? { kind: scheme!.toLowerCase() as "note" | "highlight", id } : null;
    }
    case "osis": {
      const source = decoded(rest!);
      return source !== null && parsePlace(source) ? { kind: "verse", source } : null;
    }
    case "http":
    case "https":
    case "mailto":
      return /[\s\u0000-\u001f]/.test(href) || !URL.canParse(href) ? null : { kind: "web", url: href };
    default:
      return null;
  }
}

/** Returns the address for what a person typed as a link: an address, a verse, or a note's title; null if it is none. */
export function hrefOf(typed: string, notes: readonly Note[]): string | null {
  const text = typed.trim();
  if (targetOf(text)) return text;
  if (parsePlace(text)) return `osis:${text}`;
  const title = text.replace(/^\[\[(.*)\]\]$/, "$1").toLowerCase();
  const note = title && notes.find((each) => each.title.toLowerCase() === title);
  return note ? `note:${encodeURIComponent(note.id)}` : null;
}

/** Returns the titles that a text names as `[[Title]]`. */
export function titlesIn(text: string): string[] {
  return [...text.matchAll(/\[\[([^[\]\n]{1,200})\]\]/g)].map(([, title]) => title!.trim().toLowerCase());
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
