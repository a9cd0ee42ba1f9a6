// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { StrictMode, useState } from "react";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import * as Y from "yjs";
import { LibraryClient } from "../src/library/client";
import { RelayProvider } from "../src/provider/provider";
import { LibrarySession } from "../src/session";
import { Avatars, CrdtSync, SyncStatus, useHighlights, usePresence, useRealtimeSync, useSession } from "../src/react";
import { Relay } from "./relay";

const relay = new Relay();
beforeAll(() => relay.start());
afterAll(() => relay.stop());
afterEach(cleanup);

const until = { timeout: 10_000 };

function Reader({ color }: { color?: string }) {
  const sync = useRealtimeSync();
  const highlights = useHighlights(color === undefined ? {} : { color });
  return (
    <>
      <SyncStatus />
      <button onClick={() => sync.sendHighlightCreate({ id: "h1", verseId: "Gen.1.1", color: "green", createdAt: 5, updatedAt: 5 })}>
        add
      </button>
      <button onClick={() => sync.sendHighlightUpdate("h1", { color: "blue" })}>change</button>
      <button onClick={() => sync.sendHighlightDelete("h1")}>delete</button>
      <output>{highlights.map((each) => `${each.anchor.source} ${each.color} ${each.createdAtMs}`).join(", ")}</output>
      <p>{sync.isConnected ? "connected" : "not"}</p>
    </>
  );
}

function peer(room: string): { library: LibraryClient; provider: RelayProvider } {
  const doc = new Y.Doc();
  return { library: new LibraryClient(doc), provider: new RelayProvider(doc, { relay: relay.url, room, tabs: false }) };
}

test("a highlight made, changed and deleted here is so on another device, and the other way round", async () => {
  const other = peer("u/ada");
  render(
    <StrictMode>
      <CrdtSync relay={relay.url} userId="ada" keep={false}>
        <Reader />
      </CrdtSync>
    </StrictMode>,
  );
  await screen.findByText("connected", {}, until);
  fireEvent.click(screen.getByText("add"));
  await screen.findByText("Gen.1.1 green 5");
  await waitFor(() => expect(other.library.highlight("h1")?.color).toBe("green"), until);
  fireEvent.click(screen.getByText("change"));
  await waitFor(() => expect(other.library.highlight("h1")?.color).toBe("blue"), until);
  fireEvent.click(screen.getByText("delete"));
  await waitFor(() => expect(other.library.highlight("h1")?.deletedAtMs).toBeTruthy(), until);
  other.library.restore("h1");
  await screen.findByText("Gen.1.1 blue 5", {}, until);
  await screen.findByText("Up to date", {}, until);
  other.provider.destroy();
});

test("strict mode, and a component that comes back, cost one connection; what nobody uses is closed", async () => {
  const opened = vi.fn();
  const Socket = WebSocket;
  vi.stubGlobal(
    "WebSocket",
    class extends Socket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols);
        opened();
      }
    },
  );
  let provider: RelayProvider | undefined;
  function Leaf() {
    provider = useSession().session?.provider;
    return <p>{useRealtimeSync().isConnected ? "connected" : "not"}</p>;
  }
  function Route() {
    const [there, setThere] = useState(true);
    return (
      <>
        {there && <Leaf />}
        <button onClick={() => setThere(!there)}>toggle</button>
      </>
    );
  }
  const { unmount } = render(
    <StrictMode>
      <CrdtSync relay={relay.url} userId="strict" keep={false}>
        <Route />
      </CrdtSync>
    </StrictMode>,
  );
  await screen.findByText("connected", {}, until);
  fireEvent.click(screen.getByText("toggle"));
  fireEvent.click(screen.getByText("toggle"));
  await screen.findByText("connected", {}, until);
  expect(opened).toHaveBeenCalledTimes(1);
  unmount();
  await waitFor(() => expect(provider?.status.state).toBe("offline"), until);
  vi.unstubAllGlobals();
});

test("a list renders anew only when it has changed, and a filter narrows it", async () => {
  const other = peer("u/filter");
  other.library.addHighlight({ id: "a", anchor: { source: "Gen.1.1" }, color: "green" });
  let renders = 0;
  function Greens() {
    renders += 1;
    return <output>{useHighlights({ color: "green" }).map((each) => each.id).join()}</output>;
  }
  render(
    <CrdtSync relay={relay.url} userId="filter" keep={false}>
      <Greens />
    </CrdtSync>,
  );
  await screen.findByText("a", {}, until);
  const before = renders;
  expect(await other.provider.synced(10_000)).toBe(true);
  expect(renders).toBe(before);
  other.library.addHighlight({ id: "b", anchor: { source: "Gen.1.2" }, color: "blue" });
  other.library.addHighlight({ id: "c", anchor: { source: "Gen.1.3" }, color: "green" });
  await screen.findByText("a,c", {}, until);
  other.provider.destroy();
});

test("who is here is shown by avatar, and hostile presence is harmless", async () => {
  const other = peer("u/here");
  other.provider.awareness.setLocalState({ user: { name: "Grace Hopper", color: "red", avatar: "javascript:alert(1)" } });
  const stranger = peer("u/here");
  stranger.provider.awareness.setLocalState({ user: [["name"]] });
  function Names() {
    return <output>{usePresence().map(({ person }) => person?.name ?? "?").sort().join()}</output>;
  }
  render(
    <CrdtSync relay={relay.url} userId="here" keep={false}>
      <Names />
      <Avatars />
    </CrdtSync>,
  );
  await screen.findByText(/Grace Hopper/, {}, until);
  expect(await screen.findByText("GH")).toBeTruthy();
  expect(document.querySelector("img")).toBeNull();
  for (const each of [other, stranger]) each.provider.destroy();
  await waitFor(() => expect(screen.queryByText("GH")).toBeNull(), until);
});

test("the status says that it is offline and what waits, and a button tries again", async () => {
  const own = new Relay();
  await own.start();
  render(
    <CrdtSync relay={own.url} userId="offline" keep={false}>
      <Reader />
    </CrdtSync>,
  );
  await screen.findByText("connected", {}, until);
  await own.kill();
  await screen.findByText("Offline", {}, until);
  fireEvent.click(screen.getByText("add"));
  await screen.findByText("Offline, 1 change waiting", {}, until);
  await own.start();
  const again = screen.queryByText("Try again"); // unless it has just tried by itself
  if (again) fireEvent.click(again);
  await screen.findByText(/^Up to date/, {}, until); // it may poll: a WebSocket failed just before the relay was back
  await own.stop();
});

test("who signs out and in again gets a library that works, from the relay", async () => {
  const other = peer("u/again");
  other.library.addHighlight({ id: "a", anchor: { source: "Gen.1.1" }, color: "green" });
  expect(await other.provider.synced(10_000)).toBe(true);
  function Account() {
    const { session } = useSession();
    const highlights = useHighlights();
    return (
      <>
        <output>{highlights.map((each) => each.id).join() || "nothing"}</output>
        <button onClick={() => session?.library.addHighlight({ id: "b", anchor: { source: "Gen.1.2" } })}>add</button>
        <button onClick={() => void session?.wipe()}>wipe</button>
      </>
    );
  }
  function App() {
    const [user, setUser] = useState<string | undefined>("again");
    return (
      <>
        <button onClick={() => setUser(user ? undefined : "again")}>{user ? "sign out" : "sign in"}</button>
        {user && (
          <CrdtSync relay={relay.url} userId={user}>
            <Account />
          </CrdtSync>
        )}
      </>
    );
  }
  render(<App />);
  await screen.findByText("a", {}, until);
  fireEvent.click(screen.getByText("wipe"));
  fireEvent.click(screen.getByText("sign out"));
  fireEvent.click(screen.getByText("sign in")); // within the second in which a session lives on
  await screen.findByText("a", {}, until);
  fireEvent.click(screen.getByText("add"));
  await waitFor(() => expect(other.library.highlight("b")).toBeTruthy(), until);
  other.provider.destroy();
});

test("a server renders what is there before anything is loaded, and opens nothing", async () => {
  const { renderToString } = await import("react-dom/server");
  const opened = vi.spyOn(LibrarySession, "open");
  vi.stubGlobal("window", undefined);
  const html = renderToString(
    <CrdtSync relay="ws://127.0.0.1:9" userId="server">
      <SyncStatus />
    </CrdtSync>,
  );
  vi.unstubAllGlobals();
  expect(html).toContain("Offline");
  expect(opened).not.toHaveBeenCalled();
});
