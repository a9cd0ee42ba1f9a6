// @vitest-environment jsdom
import { act, cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { StrictMode } from "react";
import type { ReactNode } from "react";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import * as Y from "yjs";
import { LibraryClient } from "../src/library/client";
import { RelayProvider } from "../src/provider/provider";
import { CrdtSync, useBookmarks, useCollectionItems, useCollections, useReadingPlace, useReadingPositions, useSession, useTags } from "../src/react";
import type { ReadingHere } from "../src/react";
import type { LibrarySession } from "../src/session";
import { Relay } from "./relay";

const relay = new Relay();
const peers: RelayProvider[] = [];
beforeAll(() => relay.start());
afterAll(() => relay.stop());
afterEach(() => {
  cleanup();
  for (const provider of peers.splice(0)) provider.destroy();
});

const until = { timeout: 10_000 };
const WORK = "Bible.KJV";
const at = (source: string, progression: number) => ({ work: { id: WORK }, source, progression });
let session: LibrarySession | null = null;

/** A library on another device, and what it says of where that one reads. */
function peer(user: string): LibraryClient {
  const doc = new Y.Doc();
  peers.push(new RelayProvider(doc, { relay: relay.url, room: `u/${user}`, tabs: false }));
  return new LibraryClient(doc);
}
const reads = ({ doc }: LibraryClient, source: string, progression: number, atMs = Date.now() + 1000) =>
  doc.getMap("positions").set(`0123456789abcdef/${WORK}`, { anchor: at(source, progression), at: atMs, name: "Desk" });

function Show({ user, children }: { user: string; children: ReactNode }) {
  function Keep() {
    session = useSession().session;
    return null;
  }
  return (
    <StrictMode>
      <CrdtSync relay={relay.url} userId={user} keep={false}>
        <Keep />
        {children}
      </CrdtSync>
    </StrictMode>
  );
}

/** Nobody listens any more, and the session is closed. */
async function isLetGo(of: LibrarySession): Promise<void> {
  const { projection, places } = of.library as unknown as Record<"projection" | "places", { listeners: Set<unknown> }>;
  expect([projection.listeners.size, places.listeners.size]).toEqual([0, 0]);
  await waitFor(() => expect(of.isClosed).toBe(true), until);
}

test("collections and tags follow whoever arranges them, and a place that one reads at renders them no more", async () => {
  const other = peer("lists");
  const [a, b] = ["a", "b"].map((id) => other.addHighlight({ id, anchor: { source: "Gen.1.1" }, tags: ["t", id] })) as [string, string];
  const note = other.addNote({ id: "n", text: "words", tags: ["t"] });
  const sunday = other.addCollection({ id: "c", title: "For Sunday", itemIds: [a, note, b] });
  let renders = 0;
  function Lists() {
    renders += 1;
    const collections = useCollections();
    const items = useCollectionItems(sunday);
    return (
      <output>
        {collections.map(({ title }) => title).join()}: {items.map(({ id }) => id).join()};{" "}
        {useTags().map(({ tag, items: count }) => `${tag}${count}`).join()}; {useCollections({ trashed: true }).length}
      </output>
    );
  }
  const { unmount } = render(<Show user="lists"><Lists /></Show>);
  await screen.findByText("For Sunday: a,n,b; t3,a1,b1; 0", {}, until);
  const before = renders;
  act(() => session!.library.setPosition(at("Gen.2", 0.1)));
  expect(renders).toBe(before);
  act(() => session!.library.addToCollection(sunday, [b], a));
  await screen.findByText("For Sunday: b,a,n; t3,a1,b1; 0", {}, until);
  await waitFor(() => expect(other.collectionItems(sunday).map(({ id }) => id)).toEqual([b, a, note]), until);
  other.trash(note);
  other.editCollection(sunday, { title: "For Easter" });
  await screen.findByText("For Easter: b,a; t2,a1,b1; 0", {}, until);
  other.trash(sunday);
  await screen.findByText(": b,a; t2,a1,b1; 1", {}, until);
  const mine = session!;
  unmount();
  await isLetGo(mine);
});

test("bookmarks are listed by work, and are no highlights of another kind", async () => {
  const other = peer("bookmarks");
  other.addHighlight({ id: "m", anchor: at("Gen.2.4", 0.1), kind: "bookmark", comment: "the second account" });
  other.addHighlight({ id: "e", anchor: { work: { id: "Emma" }, source: "ch1" }, kind: "bookmark", comment: "Emma" });
  other.addHighlight({ id: "h", anchor: at("Gen.2.5", 0.1), comment: "a highlight" });
  function Marks() {
    const titles = (marks: ReturnType<typeof useBookmarks>) => marks.map(({ comment }) => comment).sort().join();
    return <output>{titles(useBookmarks(WORK))}; {titles(useBookmarks())}</output>;
  }
  render(<Show user="bookmarks"><Marks /></Show>);
  await screen.findByText("the second account; Emma,the second account", {}, until);
  other.trash("m");
  await screen.findByText("; Emma", {}, until);
});

test("where one reads is told once a minute and when the reader is left, and another device's place is offered", async () => {
  const other = peer("reading");
  const placeIn = (library: LibraryClient) => library.positions(WORK).find(({ here }) => here)?.anchor.source; // one browser
  let reading: ReadingHere | undefined;
  function Reader() {
    reading = useReadingPlace(WORK, { deviceName: "Phone" });
    const { jump, decline, moved } = reading;
    return (
      <>
        <button onClick={() => moved(at("Gen.2", 0.2))}>turn</button>
        {jump && <button onClick={() => decline(jump)}>{`${jump.position.deviceName} is at ${jump.anchor.source} (${jump.reason})`}</button>}
        <output>{useReadingPositions(WORK).map(({ anchor, deviceName }) => `${deviceName} ${anchor.source}`).join()}</output>
      </>
    );
  }
  const { unmount } = render(<Show user="reading"><Reader /></Show>);
  reading!.moved(at("Gen.1", 0.1)); // before the library is there
  await screen.findByText("Phone Gen.1", {}, until);
  await waitFor(() => expect(placeIn(other)).toBe("Gen.1"), until);
  fireEvent.click(screen.getByText("turn"));
  reads(other, "Exod.3", 0.5);
  fireEvent.click(await screen.findByText("Desk is at Exod.3 (later)", {}, until));
  expect(screen.queryByText(/Desk is at/)).toBeNull();
  reads(other, "Exod.9", 0.6, Date.now() + 2000);
  await screen.findByText("Desk is at Exod.9 (later)", {}, until);
  expect(placeIn(session!.library)).toBe("Gen.1"); // a minute has not gone by
  window.dispatchEvent(new Event("pagehide")); // and perhaps it comes back
  expect(placeIn(session!.library)).toBe("Gen.2");
  act(() => reading!.moved(at("Gen.3", 0.3)));
  const mine = session!;
  unmount();
  expect(placeIn(mine.library)).toBe("Gen.3");
  const writes: unknown[] = [];
  mine.library.doc.on("update", (update) => writes.push(update));
  window.dispatchEvent(new Event("pagehide"));
  expect(writes).toEqual([]);
  await isLetGo(mine);
});
