/** What is done with the words that are chosen, and with a highlight that is open. */
import type { Highlight, LibraryClient } from "crdt-sync";
import { useContext } from "react";
import { anchorOf } from "../bible/anchoring";
import type { BookText } from "../bible/text";
import { useToast } from "../parts/Toasts";
import type { Chosen } from "../reading/selection";
import { TextsContext, placeName } from "../texts";
import { standingOf } from "./useMarks";

export interface Marking {
  /** Returns the highlight's id; null if there are no words to mark. */
  add: (chosen: Chosen, color: string) => string | null;
  copy: (chosen: Chosen) => void;
  remove: (highlight: Highlight) => void;
}

export function useMarking(book: BookText | null, library: LibraryClient | null, highlights: readonly Highlight[]): Marking {
  const { texts, language } = useContext(TextsContext);
  const toast = useToast();
  const add = (chosen: Chosen, color: string): string | null => {
    const anchor = book && anchorOf(book, chosen.start, chosen.end);
    if (!anchor || !library) return null;
    const only = highlights.find((each) => {
      const standing = standingOf(book, each);
      return each.anchor.source === anchor.source && standing?.start === chosen.start && standing.end === chosen.end;
    });
    if (!only) return library.addHighlight({ anchor, color });
    library.editHighlight(only.id, { color }); // the same words again: another colour
    return only.id;
  };
  const copy = (chosen: Chosen) => {
    const anchor = book && anchorOf(book, chosen.start, chosen.end);
    if (!anchor) return;
    const words = `${anchor.quote!.exact.replaceAll("\n", " ")} (${placeName(anchor.source, language)}, KJV)`;
    navigator.clipboard.writeText(words).then(() => toast({ text: texts.copied }), () => toast({ text: texts.failed }));
  };
  const remove = (highlight: Highlight) => {
    library?.trash(highlight.id);
    toast({ text: texts.deleted, action: { label: texts.undo, run: () => library?.restore(highlight.id) } });
  };
  return { add, copy, remove };
}
