/** A longer timer fires at once, and a token may hold for a month. */
const LONGEST_MS = 2 ** 31 - 1;

/** Timers by name: one that is set again starts anew. */
export class Timers {
  private readonly running = new Map<string, ReturnType<typeof setTimeout>>();

  /** Calls `act` once, after `ms`, or after 24 days if that is longer. */
  after(name: string, ms: number, act: () => void): void {
    this.cancel(name);
    const fire = () => {
      this.running.delete(name);
      act();
    };
    this.running.set(name, setTimeout(fire, Math.min(ms, LONGEST_MS)));
  }

  cancel(name: string): void {
    clearTimeout(this.running.get(name));
    this.running.delete(name);
  }

  stop(): void {
    for (const timer of this.running.values()) clearTimeout(timer);
    this.running.clear();
  }
}
