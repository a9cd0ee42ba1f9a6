/**
 * How long to wait before the next attempt: full jitter below 1, 2, 4, 8, then 16 s.
 *
 * Start a new one only after a completed sync: a relay that accepts and drops at once must not be asked faster and
 * faster. Source: "Exponential Backoff And Jitter", AWS, 2015.
 */
export class Backoff {
  private ceilingMs = 1000;

  constructor(private readonly random: () => number) {}

  /** Returns the next delay in milliseconds. */
  next(): number {
    const delay = this.random() * this.ceilingMs;
    this.ceilingMs = Math.min(this.ceilingMs * 2, 16_000);
    return delay;
  }

  reset(): void {
    this.ceilingMs = 1000;
  }
}
