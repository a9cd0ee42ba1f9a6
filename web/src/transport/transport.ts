/** How bytes reach the relay. */

/** Why a transport ended. */
export interface Ended {
  /** A close code, as of a WebSocket; null if there was none. */
  code: number | null;
  reason: string;
  /** What the end says of the network, where it was not the relay's own word. */
  trouble?: "unreachable" | "intercepted" | "cut" | "silent" | "not offered";
  /** Whether this side ended it for a reason of its own: then it says nothing of the network. */
  isOurs?: boolean;
}

/** What a transport tells, each in the order in which it came, and nothing after `closed`. */
export interface TransportEvents {
  opened(): void;
  frame(frame: Uint8Array): void;
  closed(ended: Ended): void;
}

export interface Transport {
  /** What the status shows. */
  readonly name: "websocket" | "polling";
  send(frame: Uint8Array): void;
  /** Shows this token from now on, wherever the transport shows one. */
  renew(token: string): void;
  /** Ends the connection from this side; `closed` is told with what is given. */
  close(ended: Ended): void;
  /** Ends it as the page goes: what waits and a goodbye leave if the browser lets them. */
  leave(): void;
}

export const LEFT: Ended = { code: null, reason: "the page has gone", isOurs: true };

export type Connect = (token: string | null, events: TransportEvents) => Transport;

const MAX_ROOM_BYTES = 512;

/**
 * Returns the URL of a room, over WebSocket or, `under` a path, over HTTP.
 *
 * @throws {TypeError} for a relay that is no ws, wss, http or https URL, and for a name that no room has (`docs/protocol.md`).
 */
export function roomUrl(relay: string, room: string, over: "websocket" | "http", under = ""): string {
  let url: URL;
  try {
    url = new URL(relay);
  } catch {
    throw new TypeError(`${JSON.stringify(relay)} is not the URL of a relay; write it like wss://relay.example`);
  }
  const secure = { "ws:": false, "http:": false, "wss:": true, "https:": true }[url.protocol];
  if (secure === undefined) throw new TypeError(`a relay has a ws, wss, http or https URL, and not ${url.protocol}`);
  const parts = room.normalize("NFC").split("/");
  if (parts.some((part) => ["", ".", ".."].includes(part)) || /[\u0000-\u001f\u007f-\u009f]/.test(room))
    throw new TypeError(`${JSON.stringify(room)} is no room's name: it has an empty, "." or ".." part, or a control character`);
  if (new TextEncoder().encode(parts.join("/")).length > MAX_ROOM_BYTES)
    throw new TypeError(`a room's name has at most ${MAX_ROOM_BYTES} bytes`);
  const scheme = over === "websocket" ? (secure ? "wss:" : "ws:") : secure ? "https:" : "http:";
  const path = parts.map(encodeURIComponent).join("/");
  return `${scheme}//${url.host}${url.pathname.replace(/\/+$/, "")}${under}/${path}${url.search}`;
}
