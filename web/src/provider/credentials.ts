/** The token of one connection after another: where it comes from, which one was shown, and when the next is due. */

/** A token, or a function that is asked for one at each attempt to connect, and before one expires. */
export type Token = string | null | (() => string | null | Promise<string | null>);

const MARGIN_MS = 60_000;
const AGAIN_AFTER_MS = 5000;
const ANSWER_WITHIN_MS = 30_000;

/** Returns when to ask for a new token if the present one holds for `leftMs` more. */
export function renewAfterMs(leftMs: number): number {
  return Math.max(leftMs - MARGIN_MS, leftMs * 0.75, AGAIN_AFTER_MS);
}

/** Asks for tokens, one at a time. Tokens are never looked into: the relay says for how long one holds. */
export class Credentials {
  /** The last one that the relay was shown. */
  shown: string | null = null;
  /** Whether a fresh one was handed over on this connection, and the relay has not yet said for how long it holds. */
  isRenewing = false;
  private asking: Promise<string | null> | null = null;

  constructor(private readonly source: Token) {}

  /** Whether another token can be had without the application's making a new provider. */
  get isCallable(): boolean {
    return typeof this.source === "function";
  }

  /** Returns a token, or null where none is used. Rejects with what the application's function throws, or after 30 s. */
  ask(): Promise<string | null> {
    if (typeof this.source !== "function") return Promise.resolve(this.source);
    const { source } = this;
    if (this.asking) return this.asking;
    const asking = answered(Promise.resolve().then(source)).finally(() => {
      if (this.asking === asking) this.asking = null;
    });
    this.asking = asking;
    return asking;
  }

  /** Returns a token that the relay has not been shown, or null: there is nothing new, or none can be had now. */
  async fresh(): Promise<string | null> {
    try {
      const token = await this.ask();
      return token === this.shown ? null : token;
    } catch {
      return null; // the connection goes on while it may; the next attempt says what is wrong
    }
  }
}

/** A function that never answers must not hold up the connection for ever. */
function answered<Value>(answer: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("the token function has not answered for 30 s")), ANSWER_WITHIN_MS);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
