/**
 * Tells the library where a person reads, no more than once a minute: each value that is replaced stays in the document
 * for good as a deleted one.
 */
import type { LibraryClient } from "./client.js";
import type { Anchor } from "./values.js";

const AT_MOST_EVERY_MS = 60_000;

export class ReadingPlace {
  private waiting: Anchor | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private writtenMs = -Infinity;

  constructor(
    private readonly library: LibraryClient,
    private readonly options: { work?: string; deviceName?: string } = {},
  ) {}

  /** The person has come to `anchor`. */
  moved(anchor: Anchor): void {
    this.waiting = anchor;
    const leftMs = this.writtenMs + AT_MOST_EVERY_MS - performance.now();
    if (leftMs <= 0) this.leave();
    else this.timer ??= setTimeout(() => this.leave(), leftMs);
  }

  /** The person leaves, or the page goes: what waits is written now. */
  leave(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { waiting } = this;
    this.waiting = null;
    if (!waiting || this.library.isReadOnly) return;
    this.library.setPosition(waiting, this.options);
    this.writtenMs = performance.now();
  }
}
