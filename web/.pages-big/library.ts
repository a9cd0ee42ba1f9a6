/** The package itself in a page: `window.session` is the library of the room in the URL, and `window.asked` counts tokens. */
import { LibraryClient, LibrarySession } from "crdt-sync";
import * as Y from "yjs";

declare global {
  interface Window {
    session: LibrarySession;
    asked: number;
    /** The states that the status has gone through, one after another. */
    states: string[];
    /** For the benchmarks: a library that is loaded anew. */
    loaded: (update: Uint8Array) => LibraryClient;
    encoded: (library: LibraryClient) => Uint8Array;
  }
}

const query = new URLSearchParams(location.search);
window.asked = 0;
window.states = [];
window.encoded = ({ doc }) => Y.encodeStateAsUpdate(doc);
window.loaded = (update) => {
  const doc = new Y.Doc();
  Y.applyUpdate(doc, update);
  return new LibraryClient(doc);
};

/** A JSON Web Token of the secret in the URL, good for as many seconds as that says. */
async function token(): Promise<string> {
  window.asked += 1;
  const text = new TextEncoder();
  const part = (bytes: Uint8Array) =>
    btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const json = (value: object) => part(text.encode(JSON.stringify(value)));
  const now = Math.floor(Date.now() / 1000);
  const claims = { sub: query.get("subject"), iss: "https://issuer.example", aud: "relay", iat: now, jti: crypto.randomUUID() };
  const signed = `${json({ alg: "HS256", typ: "JWT" })}.${json({ ...claims, exp: now + Number(query.get("seconds")) })}`;
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", text.encode(query.get("secret")!), algorithm, false, ["sign"]);
  return `${signed}.${part(new Uint8Array(await crypto.subtle.sign("HMAC", key, text.encode(signed))))}`;
}

window.session = await LibrarySession.open({
  relay: query.get("relay")!,
  room: query.get("room")!,
  subject: query.get("subject"),
  token: query.has("secret") ? token : null,
});
window.session.provider.subscribe(() => {
  const { state } = window.session.provider.status;
  if (window.states.at(-1) !== state) window.states.push(state);
});
