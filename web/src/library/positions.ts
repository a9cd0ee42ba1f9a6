/**
 * Where a person reads, on each device, and when another device's place is worth an offer. Each device writes keys of its
 * own, so two never write the same one; clocks decide only what is offered. `docs/protocol.md`, "Reading positions".
 */
import { readAnchor } from "./anchors.js";
import { sameJson } from "./values.js";
import type { Anchor, ReadingPosition } from "./values.js";

/** Places whose progression differs by less are one: two screens cut the same page at other words. */
export const SAME_PLACE = 0.001;
const DEVICE_KEY = "crdt-sync/device";
const DEVICE = /^[0-9a-f]{16}$/;

/** An offer to go to `anchor`, where another device is ("later") or was ("further"). Ask; never just go. */
export interface Jump {
  readonly anchor: Anchor;
  readonly reason: "later" | "further";
  readonly position: ReadingPosition;
}

/** Returns this browser's id, drawn once; where nothing is kept, one that holds for this page. */
export function deviceId(storage: Pick<Storage, "getItem" | "setItem"> | null = storageOfPage()): string {
  try {
    const kept = storage?.getItem(DEVICE_KEY);
    if (kept && DEVICE.test(kept)) return kept;
  } catch {
    // the browser keeps nothing for this page
  }
  const drawn = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  try {
    storage?.setItem(DEVICE_KEY, drawn);
  } catch {
    // as above
  }
  return drawn;
}

/** Lets the next visit draw another id, as whoever signs in after somebody else must: each device writes keys of its own. */
export function forgetDevice(storage: Pick<Storage, "removeItem"> | null = storageOfPage()): void {
  try {
    storage?.removeItem(DEVICE_KEY);
  } catch {
    // as above
  }
}

function storageOfPage(): Storage | null {
  try {
    return typeof localStorage === "undefined" ? null : localStorage;
  } catch {
    return null; // a page may be forbidden to ask
  }
}

/** Reads what stands in a document, leniently; null if there is no place in it. */
export function readPosition(key: string, value: unknown, ownDevice: string): ReadingPosition | null {
  const slash = key.indexOf("/");
  if (slash < 0 || !isObject(value) || !isObject(value.anchor)) return null;
  const [device, work] = [key.slice(0, slash), key.slice(slash + 1)];
  const { at, name, furthest } = value;
  return {
    work,
    device,
    deviceName: typeof name === "string" ? name : "",
    anchor: readAnchor(value.anchor),
    atMs: typeof at === "number" && Math.abs(at) < 2 ** 53 ? Math.trunc(at) : 0,
    furthest: isObject(furthest) ? readAnchor(furthest) : null,
    here: device === ownDevice,
  };
}

/** Returns the furthest place that is known once `anchor` was reached. */
export function furthestOf(before: Anchor | null, anchor: Anchor): Anchor | null {
  const reached = anchor.progression === undefined ? null : anchor;
  return before && (!reached || (before.progression ?? 0) > (reached.progression ?? 0)) ? before : reached;
}

/**
 * Returns what to offer to who opens a work here, or null: where another device was read on after this one, back or forth;
 * else the furthest place of another device that lies ahead of wherever this one has been. What was declined is not
 * offered again. Places whose progression differs by less than `samePlace` are one; a long work that is told in chapters
 * needs less than a chapter of it.
 */
export function suggest(positions: readonly ReadingPosition[], declined: readonly Anchor[] = [], samePlace = SAME_PLACE): Jump | null {
  const own = positions.find(({ here }) => here);
  const others = positions.filter(({ here }) => !here);
  const isDeclined = (anchor: Anchor) => declined.some((each) => sameJson(each, anchor));
  const later = others.filter(({ atMs }) => !own || atMs > own.atMs).sort((one, other) => other.atMs - one.atMs);
  for (const each of later)
    if (!(own && isSame(each.anchor, own.anchor, samePlace)) && !isDeclined(each.anchor))
      return { anchor: each.anchor, reason: "later", position: each };
  const reached = own ? Math.max(progression(own.anchor), progression(own.furthest)) : -1;
  let best: Jump | null = null;
  for (const position of others) {
    const anchor = position.furthest;
    if (!anchor || progression(anchor) <= reached + samePlace || isDeclined(anchor)) continue;
    if (!best || progression(anchor) > progression(best.anchor)) best = { anchor, reason: "further", position };
  }
  return best;
}

const progression = (anchor: Anchor | null): number => anchor?.progression ?? -1;

function isSame(one: Anchor, other: Anchor, samePlace: number): boolean {
  if (one.progression !== undefined && other.progression !== undefined) return Math.abs(one.progression - other.progression) < samePlace;
  return sameJson(one, other);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
