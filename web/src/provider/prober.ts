/** While a provider polls: tries a WebSocket after 15, 30, 60, 120, 240, then every 300 s, at random half of that at least. */
import { retryAfter } from "../protocol/closeCodes.js";
import type { Connect } from "../transport/transport.js";

const FIRST_MS = 15_000;
const LAST_MS = 300_000;
const WITHIN_MS = 10_000;

export class Prober {
  private afterMs = FIRST_MS;
  private timer: ReturnType<typeof setTimeout>;
  private end: (() => void) | null = null;

  constructor(
    private readonly connect: Connect,
    private readonly token: () => string | null,
    private readonly onWorks: () => void,
    private readonly random: () => number = Math.random,
  ) {
    this.timer = this.schedule();
  }

  /** Tries at once: the network has changed. */
  now(): void {
    this.afterMs = FIRST_MS;
    clearTimeout(this.timer);
    if (!this.end) this.probe();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.end?.();
  }

  private schedule(): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.probe(), this.afterMs * (0.5 + this.random() / 2));
  }

  /** A WebSocket works if it brings something, as every relay speaks first, or asks for a new token. */
  private probe(): void {
    let isOver = false;
    const over = (works: boolean) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(giveUp);
      this.end = null;
      transport.close({ code: null, reason: "only tried" });
      if (works) this.onWorks();
      else {
        this.afterMs = Math.min(this.afterMs * 2, LAST_MS);
        this.timer = this.schedule();
      }
    };
    const giveUp = setTimeout(() => over(false), WITHIN_MS);
    const transport = this.connect(this.token(), {
      opened: () => undefined,
      frame: () => over(true),
      closed: (ended) => over(retryAfter(ended.code) === "new token"),
    });
    this.end = () => {
      isOver = true;
      clearTimeout(giveUp);
      transport.close({ code: null, reason: "only tried" });
    };
  }
}
