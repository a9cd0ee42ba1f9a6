/** Tells whoever shows reading positions when one has changed. They are no items: lists of those take no notice. */
import type * as Y from "yjs";

export class Places {
  /** Raised with every change of a place; what was read at one version holds for it. */
  version = 0;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly positions: Y.Map<unknown>) {
    positions.observe(this.onChange);
  }

  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  close(): void {
    this.positions.unobserve(this.onChange);
    this.listeners.clear();
  }

  private readonly onChange = (): void => {
    this.version += 1;
    for (const listener of this.listeners) listener();
  };
}
