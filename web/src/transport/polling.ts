/**
 * HTTP polling as a transport: one request that waits for news, and one that brings what there is to say.
 *
 * A request that is lost, late or cut is simply made again (`protocol/pollStream.ts`). The connection is lost when the
 * relay says so, when nobody could be reached three times in a row, or when requests have failed for 20 s.
 */
import { CloseCode } from "../protocol/closeCodes.js";
import { ProtocolError } from "../protocol/messages.js";
import { decodeAnswer, encodePoll, PollKind, PollStream, SESSION_BYTES, StreamError } from "../protocol/pollStream.js";
import type { PollAnswer } from "../protocol/pollStream.js";
import type { Connect, Ended, Transport, TransportEvents } from "./transport.js";
import { LEFT } from "./transport.js";

const MAX_WAIT_MS = 25_000;
const MIN_WAIT_MS = 250;
const ANSWER_WITHIN_MS = 10_000;
const LOST_AFTER_MS = 20_000;
const LOST_AFTER_REFUSALS = 3;
const EARLY_MS = 100;
const OVERDUE_AFTER_MS = 3000;
const RETRY_DELAYS_MS = [0, 250, 500, 1000, 2000];
const MIN_MOST_BYTES = 16 * 1024;
const MAX_MOST_BYTES = 512 * 1024;
/** What a browser sends of a page that goes away: 64 KiB in all its requests together. */
const KEEPALIVE_BYTES = 60 * 1024;

export interface PollingOptions {
  fetch?: typeof fetch;
  random?: () => number;
  now?: () => number;
}

export function pollingConnect(url: string, options: PollingOptions = {}): Connect {
  return (token, events) => {
    const transport = new PollingTransport(url, token, events, {
      fetch: options.fetch ?? fetch.bind(globalThis),
      random: options.random ?? Math.random,
      now: options.now ?? (() => performance.now()),
    });
    void transport.run();
    return transport;
  };
}

/** A request that may be made again. */
class RequestFailed extends Error {
  constructor(
    message: string,
    readonly trouble: NonNullable<Ended["trouble"]>,
  ) {
    super(message);
  }
}

/** The relay has ended the session, or refuses it. */
class Refused extends Error {
  constructor(
    message: string,
    readonly code: number,
  ) {
    super(message);
  }
}

class PollingTransport implements Transport {
  readonly name = "polling";
  private readonly session = crypto.getRandomValues(new Uint8Array(SESSION_BYTES));
  private readonly stream = new PollStream();
  private readonly ending = new AbortController();
  private waiting = new AbortController();
  private isOver = false;
  private wasOpened = false;
  private waitMs = MAX_WAIT_MS;
  private most = MAX_MOST_BYTES;
  private failures = 0;
  private refusals = 0;
  private failingSinceMs: number | null = null;
  private speaking = false;

  constructor(
    private readonly url: string,
    private token: string | null,
    private readonly events: TransportEvents,
    private readonly io: Required<PollingOptions>,
  ) {}

  async run(): Promise<void> {
    try {
      await this.exchange(PollKind.OPEN);
    } catch (error) {
      this.fail(error);
      return;
    }
    if (!this.isOver) void this.listen();
  }

  send(frame: Uint8Array): void {
    if (this.isOver) return;
    this.stream.send(frame);
    void this.speak();
  }

  renew(token: string): void {
    this.token = token;
  }

  leave(): void {
    this.close(LEFT);
  }

  /** One last request outlives the page, with a goodbye if all that waits fits into it. */
  close(ended: Ended): void {
    if (this.isOver) return;
    const piece = this.stream.piece(KEEPALIVE_BYTES);
    const kind = this.stream.endsWith(piece) ? PollKind.GOODBYE : PollKind.POLL;
    const body = encodePoll(kind, this.session, 0, MIN_MOST_BYTES, piece);
    this.over(ended);
    this.request(body, { keepalive: true }).catch(() => undefined); // nobody is there any more to be told
  }

  private over(ended: Ended): void {
    if (this.isOver) return;
    this.isOver = true;
    this.ending.abort();
    this.waiting.abort();
    this.events.closed(ended);
  }

  /** Keeps one poll waiting at the relay. */
  private async listen(): Promise<void> {
    while (!this.isOver) {
      const began = this.io.now();
      try {
        this.waiting = new AbortController();
        const brought = await this.exchange(PollKind.POLL, { waitMs: this.waitMs, signal: this.waiting.signal });
        const lasted = this.io.now() - began;
        if (lasted >= this.waitMs) this.waitMs = Math.min(this.waitMs * 2, MAX_WAIT_MS);
        else if (!brought && lasted < EARLY_MS) await this.sleep(EARLY_MS); // a late copy took its place
      } catch (error) {
        if (this.waiting.signal.aborted && !this.isOver) continue; // given up: another request has brought the news
        // something cuts what takes long, perhaps: wait for less next time
        this.waitMs = Math.max(Math.floor(Math.min(this.waitMs, this.io.now() - began) / 2), MIN_WAIT_MS);
        await this.recover(error);
      }
    }
  }

  /** Brings what there is to say, one request at a time. */
  private async speak(): Promise<void> {
    if (this.speaking) return;
    this.speaking = true;
    while (!this.isOver && this.stream.unacknowledged) {
      const { waiting } = this;
      const { received } = this.stream;
      try {
        await this.exchange(PollKind.POLL, { carry: true });
      } catch (error) {
        await this.recover(error);
        continue;
      }
      // the relay holds no poll while it has that to say, so the one that waits is dead unless it ends soon
      if (this.stream.received > received) setTimeout(() => waiting.abort(), OVERDUE_AFTER_MS);
    }
    this.speaking = false;
  }

  private async exchange(
    kind: PollKind,
    { waitMs = 0, carry = false, signal }: { waitMs?: number; carry?: boolean; signal?: AbortSignal } = {},
  ): Promise<boolean> {
    const { most } = this;
    const piece = this.stream.piece(carry ? most : 0);
    const body = encodePoll(kind, this.session, waitMs, most, piece);
    const signals = [this.ending.signal, AbortSignal.timeout(waitMs + ANSWER_WITHIN_MS), ...(signal ? [signal] : [])];
    let answer: PollAnswer;
    try {
      answer = await this.request(body, { signal: AbortSignal.any(signals) });
    } catch (error) {
      if (error instanceof RequestFailed) this.most = Math.max(Math.floor(most / 2), MIN_MOST_BYTES);
      throw error;
    }
    this.failures = this.refusals = 0;
    this.failingSinceMs = null;
    if (Math.max(piece.data.length, answer.data.length) === most) this.most = Math.min(most * 2, MAX_MOST_BYTES);
    if (!this.isOver) this.take(answer);
    return answer.data.length > 0;
  }

  private take(answer: PollAnswer): void {
    if (!this.wasOpened && (!answer.ending || answer.data.length)) {
      this.wasOpened = true; // before the frames: the relay speaks first, in this very answer
      this.events.opened();
    }
    for (const frame of this.stream.take(answer)) {
      if (this.isOver) return;
      this.events.frame(frame);
    }
    if (answer.ending && !this.isOver) {
      const { code, reason } = answer.ending;
      this.over({ code, reason: reason || `the relay ended the session (${code})` });
    }
  }

  private async request(body: Uint8Array, init: { signal?: AbortSignal; keepalive?: boolean }): Promise<PollAnswer> {
    const headers: Record<string, string> = { "content-type": "application/octet-stream" };
    if (this.token !== null) headers.authorization = `Bearer ${this.token}`;
    let response: Response;
    let content: Uint8Array;
    try {
      const request = { method: "POST", body: body as Uint8Array<ArrayBuffer>, headers, cache: "no-store" as const };
      response = await this.io.fetch(this.url, { ...request, credentials: "omit", ...init });
      content = new Uint8Array(await response.arrayBuffer());
    } catch (error) {
      const isSilent = error instanceof Error && error.name === "TimeoutError";
      throw isSilent
        ? new RequestFailed("the relay did not answer in time", "silent")
        : new RequestFailed("the relay cannot be reached", "unreachable");
    }
    const kind = response.headers.get("content-type")?.split(";")[0]?.trim();
    if (response.status !== 200 || kind !== "application/octet-stream") throw refusal(response.status, content);
    try {
      return decodeAnswer(content);
    } catch (error) {
      throw new RequestFailed(error instanceof Error ? error.message : String(error), "intercepted");
    }
  }

  /** Pauses before the next attempt, or ends the session if there have been too many. */
  private async recover(error: unknown): Promise<void> {
    if (this.isOver || !(error instanceof RequestFailed)) {
      this.fail(error);
      return;
    }
    const now = this.io.now();
    this.failingSinceMs ??= now;
    this.refusals = error.trouble === "unreachable" ? this.refusals + 1 : 0;
    if (this.refusals >= LOST_AFTER_REFUSALS || now - this.failingSinceMs >= LOST_AFTER_MS) {
      this.fail(error);
      return;
    }
    const delay = RETRY_DELAYS_MS[Math.min(this.failures, RETRY_DELAYS_MS.length - 1)]!;
    this.failures += 1;
    await this.sleep(delay * (0.5 + this.io.random()));
  }

  private fail(error: unknown): void {
    if (error instanceof Refused) this.over({ code: error.code, reason: error.message });
    else if (error instanceof RequestFailed) this.over({ code: null, reason: error.message, trouble: error.trouble });
    else if (error instanceof StreamError) this.over({ code: error.code, reason: error.message });
    else if (error instanceof ProtocolError)
      this.over({ code: null, reason: `the relay does not speak the protocol: ${error.message}` });
    else {
      this.over({ code: null, reason: `polling failed: ${String(error)}` }); // our own mistake: try again, and let it be seen
      throw error;
    }
  }

  private sleep(ms: number): Promise<void> {
    if (this.ending.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.ending.signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.ending.signal.addEventListener("abort", done);
    });
  }
}

/** Tells a relay's refusal, which carries a close code, from what something on the way says in its place. */
function refusal(status: number, content: Uint8Array): Error {
  try {
    const told = JSON.parse(new TextDecoder().decode(content)) as { code?: unknown; error?: unknown };
    if (typeof told.code === "number" && told.code >= 1000 && told.code < 5000 && typeof told.error === "string")
      return told.code === CloseCode.POLICY ? new RequestFailed(told.error, "cut") : new Refused(told.error, told.code);
  } catch {
    // not the relay's
  }
  if (status === 401) return new Refused("the relay asks for a token", CloseCode.UNAUTHENTICATED);
  const trouble = status === 404 || status === 405 ? "not offered" : "intercepted";
  return new RequestFailed(`something answered ${status} in the relay's place`, trouble);
}
