/** What comes after a connection has ended, or could not be made. No I/O and no clock; the Python engine decides alike. */
import { CloseCode, retryAfter } from "../protocol/closeCodes.js";
import type { Ended } from "../transport/transport.js";
import type { Credentials } from "./credentials.js";

export type Outcome =
  | { next: "again" | "back off" }
  /** Somebody must sign in: the function gives no token that the relay takes. */
  | { next: "sign in"; error: string }
  /** `forEver`: to ask again would help nobody, or would harm. */
  | { next: "stop"; error: string; forEver: boolean };

export class Refusals {
  /** How the token that was shown last was refused. The same one would be refused again, and counts as a failure there. */
  private ofToken: Ended | null = null;
  private running = 0;

  constructor(private readonly credentials: Credentials) {}

  /** Returns how `token` was refused before, or null if it is worth showing. */
  known(token: string | null): Ended | null {
    return this.ofToken !== null && token === this.credentials.shown ? this.ofToken : null;
  }

  /** `token` is shown to the relay. */
  shows(token: string | null): void {
    this.ofToken = null;
    this.credentials.shown = token;
    this.credentials.isRenewing = false;
  }

  /** The relay took the token. */
  synced(): void {
    this.running = 0;
  }

  after(ended: Ended): Outcome {
    switch (retryAfter(ended.code)) {
      case "back off":
        return { next: "back off" };
      case "never":
        return { next: "stop", error: ended.reason, forEver: this.isForEver(ended) };
      case "new token":
        if (!this.credentials.isCallable)
          return { next: "stop", error: `${ended.reason}; open the library with a new token`, forEver: true };
        this.ofToken = ended;
        this.running += 1; // the second one was asked for anew
        return this.running === 1 ? { next: "again" } : { next: "sign in", error: ended.reason };
    }
  }

  /** A fresh token of another account must not merge two people's libraries, however often somebody tries again. */
  private isForEver({ code }: Ended): boolean {
    return code === CloseCode.DELETED || (code === CloseCode.FORBIDDEN && this.credentials.isRenewing);
  }
}
