/** Which notes link to a note: by address in their bodies, or by its title in double brackets. */
import type { LibraryClient, Note } from "crdt-sync";
import * as Y from "yjs";
import { targetOf, titlesIn } from "./links";

const known = new WeakMap<Note, ReadonlySet<string>>();

/** Returns the ids that the body of a note links to; a note stays the same object until something in it changes. */
function linkedFrom(library: LibraryClient, note: Note): ReadonlySet<string> {
  let ids = known.get(note);
  if (!ids) {
    const found = new Set<string>();
    collect(library.noteBody(note.id), found, 0);
    known.set(note, (ids = found));
  }
  return ids;
}

const MAX_DEPTH = 32;

function collect(node: Y.XmlFragment, found: Set<string>, depth: number): void {
  for (const child of node.toArray()) {
    if (child instanceof Y.XmlText) {
      for (const { attributes } of child.toDelta() as { attributes?: Record<string, unknown> }[])
        for (const [name, value] of Object.entries(attributes ?? {})) {
          if (!name.startsWith("link")) continue;
          const target = targetOf(typeof value === "string" ? value : (value as { href?: unknown } | null)?.href);
          if (target?.kind === "note") found.add(target.id);
        }
    } else if (child instanceof Y.XmlFragment && depth < MAX_DEPTH) collect(child, found, depth + 1);
  }
}

export function backlinksOf(library: LibraryClient, notes: readonly Note[], note: Note): Note[] {
  const title = note.title.trim().toLowerCase();
  return notes.filter(
    (each) => each.id !== note.id && ((title && titlesIn(each.text).includes(title)) || linkedFrom(library, each).has(note.id)),
  );
}
