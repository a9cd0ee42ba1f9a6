/**
 * Which transport: a WebSocket, unless the network lets none through; then polling, until it does.
 *
 * What the relay says for itself, a close code or a refusal with its reason, never makes us poll. A browser does not say
 * why a WebSocket could not be opened, so a poll is tried then: if it is answered, the network lets no WebSocket through;
 * if not, nobody can be reached.
 *
 * | a WebSocket that                   | what comes next                 |
 * |------------------------------------|---------------------------------|
 * | ended with a code of the relay     | a WebSocket                     |
 * | could not be opened                | a poll at once, to tell why     |
 * | was opened and stayed silent       | polling                         |
 * | was cut, but stood for 30 s before | a WebSocket                     |
 * | was cut sooner                     | polling, the third time running |
 */
import { CloseCode, NO_REASON } from "../protocol/closeCodes.js";
import type { Ended } from "./transport.js";

const STOOD_MS = 30_000;
const CUTS = 3;

export type Way = "websocket" | "polling";

/** Decides which way the next attempt goes. No I/O, and no clock. */
export class Chooser {
  way: Way = "websocket";
  private cuts = 0;

  /**
   * Learns from an attempt that went the present way; `lastedMs` is how long it was open, null if it never was.
   * Returns whether the other way is to be tried at once, without a back-off.
   */
  ended(ended: Ended, lastedMs: number | null): boolean {
    const fromRelay = ended.code !== null && !NO_REASON.has(ended.code);
    if (this.way === "polling") {
      const mayWork = fromRelay && ended.code !== CloseCode.OVERLOADED; // or there are too many sessions already
      if (lastedMs === null && !mayWork) this.way = "websocket";
      return false;
    }
    if (fromRelay) {
      this.cuts = 0;
      return false;
    }
    if (ended.trouble === "silent" || ended.trouble === "intercepted") this.way = "polling";
    else if (lastedMs === null) this.way = "polling";
    else if (lastedMs >= STOOD_MS) this.cuts = 0;
    else if (++this.cuts >= CUTS) this.way = "polling";
    return this.way === "polling";
  }

  /** A WebSocket was tried while polling, and works. One more soon cut and it is polling again. */
  websocketWorks(): void {
    this.way = "websocket";
    this.cuts = CUTS - 1;
  }
}
