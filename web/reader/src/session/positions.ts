/**
 * Where each device reads (docs/protocol.md, "Reading positions"): a key of its own for each, written once a minute at
 * most, as each value that is replaced stays in the document. Another device's place is offered, and never gone to.
 */
import type * as Y from "yjs";
import { chapterId, parsePlace, progressionOf } from "../bible/place";
import type { Chapter } from "../bible/place";
import { WORK } from "../bible/text";

export const POSITIONS = "positions";
const AT_MOST_EVERY_MS = 60_000;

export interface Offer {
  readonly device: string;
  readonly name: string;
  readonly place: Chapter;
  readonly at: number;
}

interface Position {
  anchor: { source: string; progression: number };
  at: number;
  name: string;
  furthest: { source: string; progression: number } | null;
}

export class Positions {
  private readonly map: Y.Map<unknown>;
  private readonly key: string;
  private place: Chapter | null = null;
  private atMs = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private writtenMs = -Infinity;

  constructor(
    private readonly doc: Y.Doc,
    private readonly device: string,
    private readonly name: string,
    private readonly canWrite: () => boolean,
  ) {
    this.map = doc.getMap(POSITIONS);
    this.key = `${device}/${WORK.id}`;
  }

  /** Says that this device reads here now. */
  reads(place: Chapter): void {
    this.place = place;
    this.atMs = Date.now();
    const wait = this.writtenMs + AT_MOST_EVERY_MS - performance.now();
    if (wait <= 0) this.write();
    else this.timer ??= setTimeout(() => this.write(), wait);
  }

  /** Writes what waits; call it when the page goes. */
  readonly write = (): void => {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { place } = this;
    if (!place || !this.canWrite()) return;
    this.place = null;
    this.writtenMs = performance.now();
    const anchor = { work: WORK, source: chapterId(place), progression: progressionOf(place) };
    const known = read(this.map.get(this.key));
    if (known?.anchor.source === anchor.source) return;
    const furthest = known?.furthest && known.furthest.progression > anchor.progression ? known.furthest : anchor;
    this.doc.transact(() => this.map.set(this.key, { anchor, at: this.atMs, name: this.name, furthest }), this);
  };

  /** Returns where this device was. */
  own(): Position | null {
    return read(this.map.get(this.key));
  }

  /** Returns the place of another device that read on later than this one, at another place. */
  offer(here: Chapter): Offer | null {
    const since = Math.max(this.own()?.at ?? 0, this.atMs);
    let best: Offer | null = null;
    for (const [key, value] of this.map) {
      const slash = key.indexOf("/");
      const device = key.slice(0, slash);
      if (key.slice(slash + 1) !== WORK.id || device === this.device) continue;
      const position = read(value);
      const place = position && parsePlace(position.anchor.source);
      if (!position || !place || position.at <= since || position.at <= (best?.at ?? 0)) continue;
      best = { device, name: position.name, place: { book: place.book, chapter: place.chapter }, at: position.at };
    }
    return best && chapterId(best.place) !== chapterId(here) ? best : null;
  }

  subscribe(listener: () => void): () => void {
    this.map.observe(listener);
    return () => this.map.unobserve(listener);
  }

  close(): void {
    this.write();
    clearTimeout(this.timer);
  }
}

function read(value: unknown): Position | null {
  if (typeof value !== "object" || value === null) return null;
  const { anchor, at, name, furthest } = value as Record<string, unknown>;
  const here = readAnchor(anchor);
  if (!here || typeof at !== "number" || !Number.isFinite(at)) return null;
  return { anchor: here, at, name: typeof name === "string" ? name.slice(0, 100) : "", furthest: readAnchor(furthest) };
}

function readAnchor(value: unknown): { source: string; progression: number } | null {
  if (typeof value !== "object" || value === null) return null;
  const { source, progression } = value as Record<string, unknown>;
  if (typeof source !== "string") return null;
  return { source, progression: typeof progression === "number" ? progression : 0 };
}
