// @vitest-environment node
import * as fc from "fast-check";
import { expect, test } from "vitest";
import * as Y from "yjs";
import { seed } from "../src/library/bodies";
import { InvalidEdit } from "../src/library/checks";
import { LibraryClient } from "../src/library/client";

const verse = (source: string, exact = "In the beginning") => ({ work: { id: "Bible.KJV" }, source, quote: { exact } });

function synced(...clients: LibraryClient[]): void {
  for (let round = 0; round < 2; round++)
    for (const from of clients)
      for (const to of clients)
        if (from !== to) Y.applyUpdate(to.doc, Y.encodeStateAsUpdate(from.doc, Y.encodeStateVector(to.doc)));
}

test("an edit that changes nothing writes nothing", () => {
  const library = new LibraryClient(new Y.Doc());
  const id = library.addHighlight({ anchor: verse("Gen.1.1"), tags: ["creation"] });
  let updates = 0;
  library.doc.on("update", () => updates++);
  library.editHighlight(id, { color: "yellow", addTags: ["creation"], removeTags: ["other"] });
  library.restore(id);
  expect(updates).toBe(0);
  library.editHighlight(id, { color: "green" });
  expect(updates).toBe(1);
});

test("two devices' concurrent changes of one highlight are both there", () => {
  const [one, two] = [new LibraryClient(new Y.Doc()), new LibraryClient(new Y.Doc())];
  const id = one.addHighlight({ anchor: verse("Gen.1.1") });
  synced(one, two);
  one.editHighlight(id, { color: "green", addTags: ["a"] });
  two.editHighlight(id, { comment: "seen", addTags: ["b"] });
  two.trash(id);
  synced(one, two);
  expect(one.highlight(id)).toMatchObject({ color: "green", comment: "seen", tags: ["a", "b"] });
  expect(one.highlights()).toEqual([]);
  expect(one.highlights({ trashed: true })).toEqual(two.highlights({ trashed: true }));
  one.restore(id);
  synced(one, two);
  expect(two.highlights().map((each) => each.id)).toEqual([id]);
});

test("a value is the same object while nothing in it changes", () => {
  const library = new LibraryClient(new Y.Doc());
  const [first, second] = ["Gen.1.1", "Gen.1.2"].map((source) => library.addHighlight({ anchor: verse(source) }));
  const before = library.highlight(first!);
  library.editHighlight(second!, { color: "blue" });
  expect(library.highlight(first!)).toBe(before);
});

test("what is refused changes nothing and says why", () => {
  const library = new LibraryClient(new Y.Doc());
  const refused = [
    () => library.addHighlight({ anchor: {} }),
    () => library.addHighlight({ anchor: verse("Gen.1.1"), id: "a/b" }),
    () => library.editHighlight("nobody", { color: "red" }),
    () => library.trash("nobody"),
    () => library.purge("nobody"),
    () => library.addHighlight({ anchor: { position: { start: 5, end: 2, unit: "codepoint" } } }),
  ];
  for (const each of refused) expect(each).toThrow(InvalidEdit);
  library.doc.getMap("meta").set("minWriter", 99);
  expect(() => library.addHighlight({ anchor: verse("Gen.1.1") })).toThrow(/newer version/);
  expect(library.highlights()).toEqual([]);
});

const edits = fc.array(
  fc.oneof(
    fc.record({ what: fc.constant("add" as const), id: fc.constantFrom("a", "b", "c"), on: fc.nat(1) }),
    fc.record({ what: fc.constant("color" as const), id: fc.constantFrom("a", "b", "c"), on: fc.nat(1), to: fc.string() }),
    fc.record({ what: fc.constant("tag" as const), id: fc.constantFrom("a", "b", "c"), on: fc.nat(1), to: fc.string({ minLength: 1 }) }),
    fc.record({ what: fc.constantFrom("trash", "restore", "purge", "note"), id: fc.constantFrom("a", "b", "c"), on: fc.nat(1) }),
    fc.record({ what: fc.constant("sync" as const), id: fc.constant(""), on: fc.constant(0) }),
  ),
);

test("whatever happens, the values are those of a library that reads the document anew, and replicas agree", () => {
  fc.assert(
    fc.property(edits, (steps) => {
      const clients = [new LibraryClient(new Y.Doc()), new LibraryClient(new Y.Doc())];
      for (const step of steps) {
        const library = clients[step.on]!;
        try {
          if (step.what === "add") library.addHighlight({ anchor: verse("Gen.1.1"), id: step.id });
          else if (step.what === "color" && "to" in step) library.editHighlight(step.id, { color: step.to });
          else if (step.what === "tag" && "to" in step) library.editHighlight(step.id, { addTags: [step.to] });
          else if (step.what === "trash") library.trash(step.id);
          else if (step.what === "restore") library.restore(step.id);
          else if (step.what === "purge") library.purge(step.id);
          else if (step.what === "note") library.addNote({ id: `n${step.id}`, text: "one\ntwo", highlightId: step.id });
          else synced(...clients);
        } catch (error) {
          if (!(error instanceof InvalidEdit)) throw error;
        }
      }
      synced(...clients);
      const all = (library: LibraryClient) =>
        [false, true].map((trashed) => [library.highlights({ trashed }), library.notes({ trashed })]);
      for (const library of clients) {
        const anew = new Y.Doc();
        Y.applyUpdate(anew, Y.encodeStateAsUpdate(library.doc));
        expect(all(library)).toEqual(all(new LibraryClient(anew)));
      }
      expect(all(clients[0]!)).toEqual(all(clients[1]!));
    }),
    { numRuns: 100 },
  );
});

test("an imported text is put into a body as docs/protocol.md says, to the byte", () => {
  expect(Buffer.from(seed("n", "a\nb", () => false)).toString("hex")).toBe(
    "01068fdaeba796b2a50d000701066e6f74652f6e030970617261677261706807008fdaeba796b2a50d000604008fdaeba796b2a50d0101" +
      "61878fdaeba796b2a50d00030970617261677261706807008fdaeba796b2a50d030604008fdaeba796b2a50d04016200",
  );
});
