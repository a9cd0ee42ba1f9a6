/** A WebSocket as a transport. A browser tells nothing of why one could not be opened, only code 1006. */
import type { Connect, Ended, Transport, TransportEvents } from "./transport.js";
import { LEFT } from "./transport.js";

const CLOSE_WITHIN_MS = 2000;
/** A token that fits into a subprotocol (RFC 9110, "token"); another goes into the query. */
const FITS_SUBPROTOCOL = /^[-!#$%&'*+.^_`|~0-9A-Za-z]+$/;

export function websocketConnect(url: string, implementation: typeof WebSocket = WebSocket): Connect {
  return (token, events) => new WebSocketTransport(url, token, events, implementation);
}

class WebSocketTransport implements Transport {
  readonly name = "websocket";
  private readonly socket: WebSocket;
  private isOver = false;
  private wasOpen = false;

  constructor(
    url: string,
    token: string | null,
    private readonly events: TransportEvents,
    implementation: typeof WebSocket,
  ) {
    const fits = token === null || FITS_SUBPROTOCOL.test(token);
    const target = fits ? url : `${url}${url.includes("?") ? "&" : "?"}token=${encodeURIComponent(token)}`;
    this.socket = new implementation(target, token !== null && fits ? ["crdt-sync", `token.${token}`] : ["crdt-sync"]);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.wasOpen = true;
      if (!this.isOver) events.opened();
    };
    this.socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => {
      if (this.isOver) return;
      if (typeof event.data === "string") this.close({ code: null, reason: "the relay sent text", trouble: "intercepted" });
      else events.frame(new Uint8Array(event.data));
    };
    this.socket.onerror = () => undefined; // it says nothing that `onclose` does not
    this.socket.onclose = (event) => this.over(this.reasonOf(event.code, event.reason));
  }

  send(frame: Uint8Array): void {
    if (this.socket.readyState === this.socket.OPEN) this.socket.send(frame);
  }

  renew(): void {
    // a WebSocket shows its token once; the connection sends the fresh one as a message
  }

  leave(): void {
    this.close(LEFT);
  }

  close(ended: Ended): void {
    if (this.isOver) return;
    if (this.socket.readyState === this.socket.CONNECTING) {
      const { socket } = this; // closing one that is not open is an error on the console: close it once it is
      const giveUp = setTimeout(() => socket.close(), CLOSE_WITHIN_MS);
      socket.onopen = () => {
        clearTimeout(giveUp);
        socket.close(1000);
      };
      socket.onclose = () => clearTimeout(giveUp);
    } else this.socket.close(1000);
    this.over(ended);
  }

  private over(ended: Ended): void {
    if (this.isOver) return;
    this.isOver = true;
    this.events.closed(ended);
  }

  private reasonOf(code: number, reason: string): Ended {
    if (reason || (code !== 1006 && code !== 1005)) return { code, reason: reason || `the relay closed with ${code}` };
    return this.wasOpen
      ? { code, reason: "the connection was cut", trouble: "cut" }
      : { code, reason: "no WebSocket could be opened", trouble: "unreachable" };
  }
}
