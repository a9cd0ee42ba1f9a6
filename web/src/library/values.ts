/** What a library holds, as values: copies of what the document said at one moment. Times are for display only. */

export interface Quote {
  readonly exact: string;
  readonly prefix?: string;
  readonly suffix?: string;
}

/** Start and end in **code points** of the source's text; JavaScript's own offsets are UTF-16 units. */
export interface Position {
  readonly start: number;
  readonly end: number;
  readonly unit: "codepoint";
}

/** Where a highlight stands; `docs/protocol.md` says what each part is. Other keys are kept. */
export interface Anchor {
  readonly work?: { readonly id?: string; readonly title?: string; readonly [key: string]: unknown };
  readonly source?: string;
  readonly quote?: Quote;
  readonly position?: Position;
  readonly opaque?: readonly unknown[];
  readonly progression?: number;
  readonly heading?: string;
  readonly page?: string;
  readonly [key: string]: unknown;
}

interface Item {
  readonly id: string;
  readonly createdAtMs: number;
  readonly createdBy: string;
  readonly updatedAtMs: number;
  /** When it went to the trash; null while it is not there. */
  readonly deletedAtMs: number | null;
}

export interface Highlight extends Item {
  readonly tags: readonly string[];
  readonly kind: "highlight" | "bookmark";
  readonly anchor: Anchor;
  readonly color: string;
  readonly style: string;
  readonly comment: string;
}

/** `text` is the body as plain text, a line for each block. */
export interface Note extends Item {
  readonly tags: readonly string[];
  readonly highlightId: string | null;
  readonly title: string;
  readonly text: string;
}

/** Highlights and notes that a reader has put together. `itemIds` are in order, those in the trash or not here included. */
export interface Collection extends Item {
  readonly title: string;
  readonly itemIds: readonly string[];
}

/** Where a device reads in a work, since when by its clock, and how far it ever was. */
export interface ReadingPosition {
  readonly work: string;
  readonly device: string;
  readonly deviceName: string;
  readonly anchor: Anchor;
  readonly atMs: number;
  readonly furthest: Anchor | null;
  /** Whether it is this browser's own. */
  readonly here: boolean;
}

/** What the work is indexed by: its id, else its hash, else its title. */
export function workId(anchor: Anchor): string {
  const { work } = anchor;
  for (const key of ["id", "hash", "title"]) {
    const name = work?.[key];
    if (name && (typeof name === "string" || typeof name === "number")) return String(name);
  }
  return "";
}

/** Says whether `source` is `within` or lies in it: `Gen.1` has `Gen.1.1-Gen.1.3` in it, and not `Gen.10`. */
export const liesWithin = (source: string | undefined, within: string): boolean =>
  source === within || (source?.startsWith(`${within}.`) ?? false);

/** Whether two JSON values are equal, in whatever order their keys stand. */
export function sameJson(one: unknown, other: unknown): boolean {
  if (typeof one !== "object" || typeof other !== "object" || !one || !other) return one === other;
  const [left, right] = [Object.entries(one), other as Record<string, unknown>];
  return left.length === Object.keys(right).length && left.every(([key, value]) => key in right && sameJson(value, right[key]));
}
