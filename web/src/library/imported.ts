/**
 * What a foreign file says of an item: an import writes that, and no field that a person sets. A field that is there hides
 * what the file says, an empty one too. `docs/protocol.md`, "The document".
 */
import * as schema from "./schema.js";

/** What is shown where no field stands. */
export interface Imported {
  readonly texts: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  readonly updatedAtMs: number | null;
  readonly trashed: boolean;
  /** A newer anchor than the one that the item was made with, as it stands there; null if there is none. */
  readonly anchor: Readonly<Record<string, unknown>> | null;
}

/** Returns what stands in `<id>/imported`, or else in the item's own value; null if the item is of no file. */
export function said(made: unknown, later: unknown): Imported | null {
  const value = later ?? (isObject(made) ? made[schema.IMPORTED] : undefined);
  if (!isObject(value) || typeof value.format !== "string") return null;
  const names = [schema.COLOR, schema.STYLE, schema.COMMENT, schema.TITLE];
  const { tags, updatedAt, trashed, anchor } = value;
  return {
    texts: Object.fromEntries(names.map((name) => [name, typeof value[name] === "string" ? value[name] : ""])),
    tags: Array.isArray(tags) ? tags.filter((tag): tag is string => typeof tag === "string" && tag !== "") : [],
    updatedAtMs: Number.isSafeInteger(updatedAt) ? (updatedAt as number) : null,
    trashed: trashed === true,
    anchor: isObject(anchor) ? anchor : null,
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
