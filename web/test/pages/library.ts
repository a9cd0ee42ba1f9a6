/** The package itself in a page: `window.session` is the library of the room in the URL, `askToken` is the test's. */
import { LibrarySession } from "crdt-sync";

declare global {
  interface Window {
    session: LibrarySession;
    askToken?: () => Promise<string>;
  }
}

const query = new URLSearchParams(location.search);
window.session = await LibrarySession.open({
  relay: query.get("relay")!,
  room: query.get("room")!,
  subject: query.get("subject"),
  keep: query.get("keep") !== "no",
  tabs: query.get("tabs") !== "no",
  token: window.askToken ?? null,
});
