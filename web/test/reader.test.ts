/** What of the demo reader is decided without a page: places, anchors, marks that overlap, links, undo. */
import fc from "fast-check";
import { expect, test } from "vitest";
import * as Y from "yjs";
import { anchorOf, partsIn, resolve } from "../reader/src/bible/anchoring";
import { parseSource, placeOf, sourceOf } from "../reader/src/bible/place";
import { readBook } from "../reader/src/bible/text";
import { segmentsOf } from "../reader/src/marks/segments";
import { hrefOf, targetOf, titlesIn } from "../reader/src/notes/links";
import { LibraryClient } from "../src/library/client";

const words = fc.array(fc.constantFrom("and", "the", "light", "was", "[it]", "God", "𝔊od", "saw"), { minLength: 1, maxLength: 9 });
const verse = words.map((each) => each.join(" "));
const book = fc
  .array(fc.array(verse, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 3 })
  .map((chapters) => readBook("Gen", chapters));

test("whatever is selected is found again where it was, or said to be unsure", () => {
  fc.assert(
    fc.property(book, fc.nat(), fc.nat(), (text, one, other) => {
      const [start, end] = [one % text.text.length, other % text.text.length].sort((a, b) => a - b) as [number, number];
      const anchor = anchorOf(text, start, end + 1);
      if (!anchor) return;
      const standing = resolve(text, anchor);
      expect(standing?.found).toBe("words");
      expect(text.text.slice(standing!.start, standing!.end)).toBe(anchor.quote!.exact);
      expect(standing!.start).toBeGreaterThanOrEqual(start);
      expect(standing!.end).toBeLessThanOrEqual(end + 1);
      const { position: _, ...withoutPosition } = anchor; // a device that knows no positions wrote it
      const again = resolve(text, withoutPosition)!;
      if (again.found === "words") expect(text.text.slice(again.start, again.end)).toBe(anchor.quote!.exact);
    }),
  );
});

test("words at two places without what tells them apart mark the verse and are unsure", () => {
  const text = readBook("Gen", [["light and light", "the light"]]);
  expect(resolve(text, { source: "Gen.1.1", quote: { exact: "light" } })).toEqual({ start: 0, end: 15, found: "unsure" });
  expect(resolve(text, { source: "Gen.1.1", quote: { exact: "light", prefix: "and " } })).toEqual({ start: 10, end: 15, found: "words" });
  expect(resolve(text, { source: "Gen.1.1-Gen.1.2", quote: { exact: "And   LIGHT," } })).toEqual({ start: 6, end: 15, found: "words" });
  expect(resolve(text, { source: "Gen.1.2" })?.found).toBe("verse");
  expect(resolve(text, { source: "Gen.9.1" })).toBeNull();
  expect(resolve(text, { source: "Exod.1.1" })).toBeNull();
});

test("pieces cover a verse once, in order, and each has the marks that cover it", () => {
  const mark = fc.record({ start: fc.nat(40), length: fc.integer({ min: 1, max: 40 }) });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.array(mark, { maxLength: 8 }), (length, given) => {
      const marks = given
        .filter(({ start }) => start < length)
        .map(({ start, length: long }, at) => ({ id: `${at}`, color: "", start, end: Math.min(length, start + long), isUnsure: false, hasNote: false }));
      const pieces = segmentsOf(length, marks, []);
      expect(pieces[0]!.start).toBe(0);
      expect(pieces.at(-1)!.end).toBe(length);
      for (const [at, piece] of pieces.entries()) {
        expect(piece.end).toBeGreaterThan(piece.start);
        if (at) expect(piece.start).toBe(pieces[at - 1]!.end);
        const covering = marks.filter(({ start, end }) => start <= piece.start && piece.end <= end).map(({ id }) => id);
        expect(piece.marks.map(({ id }) => id).sort()).toEqual(covering.sort());
      }
    }),
  );
});

test("a highlight over several verses has a part in each", () => {
  const text = readBook("Gen", [["one two", "three", "four five"]]);
  expect(partsIn(text.chapters[0]!, 4, 18)).toEqual([
    { verse: 1, start: 4, end: 7 },
    { verse: 2, start: 0, end: 5 },
    { verse: 3, start: 0, end: 4 },
  ]);
});

test("sources are read, written and ordered as OSIS has them", () => {
  expect(sourceOf({ book: "Gen", chapter: 1, verse: 1 }, { book: "Gen", chapter: 2, verse: 3 })).toBe("Gen.1.1-Gen.2.3");
  expect(parseSource("Bible.KJV:Gen.1.1")).toEqual({ book: "Gen", first: [1, 1], last: [1, 1] });
  for (const none of [undefined, "", "chapter 5", "Gen.1.1-Exod.1.1", "Gen.1.1-Gen.1.2-Gen.1.3", "x".repeat(300)]) expect(parseSource(none)).toBeNull();
  const sources = ["Gen.1.9", "Gen.1.10", "Gen.2.1", "Exod.1.1", "Ps.9.1", "Ps.10.1", "Rev.22.21", "a note of mine"];
  expect([...sources].reverse().sort((one, other) => placeOf(one) - placeOf(other))).toEqual(sources);
});

test("no address leads anywhere but to the web, mail, and places of the library", () => {
  const schemes = fc.constantFrom("javascript", "JavaScript", "data", "vbscript", "file", "blob", "java\tscript", " javascript", "\u0001javascript");
  fc.assert(
    fc.property(schemes, fc.string(), (scheme, rest) => {
      expect(targetOf(`${scheme}:${rest}`)).toBeNull();
    }),
  );
  for (const odd of [null, 5, {}, "", "//evil.example", "https://", "https://a b", "note:a/b", "note:%", "osis:Nowhere.1"]) expect(targetOf(odd)).toBeNull();
  expect(targetOf("osis:Gen.1.3")).toEqual({ kind: "verse", source: "Gen.1.3" });
  expect(targetOf("note:a%20b")).toBeNull();
  expect(targetOf("https://example.org/?q=1")).toEqual({ kind: "web", url: "https://example.org/?q=1" });
  expect(hrefOf("Rom.8", [])).toBe("osis:Rom.8");
  expect(hrefOf("no such title", [])).toBeNull();
  expect(titlesIn("see [[Light]] and [[ The  Word ]], not [[]] or [[a\nb]]")).toEqual(["light", "the  word"]);
});

test("undo sets back what is still as it was left, trashes what was made, and redo goes the other way", () => {
  const doc = new Y.Doc();
  const library = new LibraryClient(doc);
  const id = library.addHighlight({ anchor: { source: "Gen.1.1" } });
  library.editHighlight(id, { color: "green" });
  library.editHighlight(id, { comment: "mine", addTags: ["light"] });
  doc.transact(() => doc.getMap("fields").set(`${id}/comment`, "theirs"), "another device");
  expect(library.undo()).toEqual({ ids: [id], kept: [id] });
  expect(library.highlight(id)).toMatchObject({ comment: "theirs", tags: [], color: "green" });
  library.undo();
  expect(library.highlight(id)!.color).toBe("yellow");
  library.undo();
  expect(library.highlight(id)!.deletedAtMs).not.toBeNull();
  expect(library.canUndo).toBe(false);
  for (let turn = 0; turn < 3; turn += 1) library.redo();
  expect(library.highlight(id)).toMatchObject({ comment: "theirs", tags: ["light"], color: "green", deletedAtMs: null });
  library.purge(id);
  expect(library.canUndo).toBe(false);
});
