// @vitest-environment node
/** Undo and redo in the package: steps, typing, what others wrote, what was purged. tests/web holds it to the engine's. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import * as Y from "yjs";
import { LibraryClient } from "../src/library/client";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function opened(): { library: LibraryClient; id: string } {
  const library = new LibraryClient(new Y.Doc());
  const id = library.addHighlight({ anchor: { source: "Gen.1.1" } });
  return { library, id };
}

const theirs = (library: LibraryClient, change: (fields: Y.Map<unknown>) => void): void =>
  library.doc.transact(() => change(library.doc.getMap("fields")), "another device");

test("several edits of one field are taken back one after the other, and made again", () => {
  const { library, id } = opened();
  for (const color of ["green", "blue", "pink"]) {
    vi.advanceTimersByTime(2000);
    library.editHighlight(id, { color });
  }
  const seen = [library.undo(), library.undo(), library.undo()].map((undone) => undone!.ids);
  expect(seen).toEqual([[id], [id], [id]]);
  expect(library.highlight(id)!.color).toBe("yellow");
  for (const color of ["green", "blue", "pink"]) {
    library.redo();
    expect(library.highlight(id)!.color).toBe(color);
  }
  expect(library.redo()).toBeNull();
});

test("typing within a second is one step, and none if it came to nothing", () => {
  const { library, id } = opened();
  vi.advanceTimersByTime(2000);
  for (const comment of ["a", "ab", "abc"]) {
    vi.advanceTimersByTime(900);
    library.editHighlight(id, { comment });
  }
  vi.advanceTimersByTime(1001);
  library.editHighlight(id, { comment: "abcd" });
  library.editHighlight(id, { comment: "abc" });
  library.undo();
  expect(library.highlight(id)!.comment).toBe("");
});

test("what another device wrote in between stands between two steps", () => {
  const { library, id } = opened();
  vi.advanceTimersByTime(2000);
  library.editHighlight(id, { comment: "a" });
  theirs(library, (fields) => fields.set("elsewhere/color", "blue"));
  library.editHighlight(id, { comment: "ab" });
  library.undo();
  expect(library.highlight(id)!.comment).toBe("a");
});

test("another's change stays, be it with the same value, and is told", () => {
  const { library, id } = opened();
  vi.advanceTimersByTime(2000);
  library.editHighlight(id, { color: "green" });
  theirs(library, (fields) => fields.set(`${id}/color`, "green"));
  expect(library.undo()).toEqual({ ids: [], kept: [id] });
  expect(library.highlight(id)!.color).toBe("green");
  theirs(library, (fields) => fields.set(`${id}/deletedAt`, 5));
  expect(library.undo()).toEqual({ ids: [], kept: [id] }); // they have thrown it away, and may bring it back
  expect(library.canUndo).toBe(false);
});

test("what was purged, here or elsewhere, is in no step any more", () => {
  const { library, id } = opened();
  const other = library.addHighlight({ anchor: { source: "Gen.1.2" } });
  library.editHighlight(id, { comment: "a secret" });
  library.undo();
  library.purge(id);
  expect(library.canRedo).toBe(false);
  library.doc.transact(() => library.doc.getMap("highlights").delete(other), "another device");
  expect(library.canUndo).toBe(false);
  expect(library.undo()).toBeNull();
});

test("a library that is closed observes nothing any more", () => {
  const { library, id } = opened();
  library.close();
  library.doc.transact(() => library.doc.getMap("highlights").delete(id), "another device");
  expect(library.canUndo).toBe(true);
});
