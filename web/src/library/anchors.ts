/**
 * Anchors: made from a text and a selection, read from a document, and found again where nothing has moved far.
 *
 * Offsets in an anchor are code points; a selection in a page counts UTF-16 units. `Offsets` converts, once, at the edge.
 * `crdt_sync.Text` finds much more: it folds and compares what is alike. What this finds, it finds too, with the same
 * verdict; where this says "orphan", it may still find the place.
 */
import { InvalidEdit } from "./checks.js";
import type { Anchor, Position, Quote } from "./values.js";

/** How many code points before and after a quote an anchor keeps. */
const AROUND = 32;

/** Converts offsets into one text, both ways. */
export class Offsets {
  private readonly starts: Uint32Array | null; // of each code point, in UTF-16 units; null where they are the same
  readonly length: number;

  /** @throws {InvalidEdit} if the text holds half a character. */
  constructor(readonly text: string) {
    if (/\p{Surrogate}/u.test(text)) throw new InvalidEdit("the text holds half a character (a lone surrogate)");
    const points = [...text];
    this.length = points.length;
    this.starts = points.length === text.length ? null : new Uint32Array(points.length + 1);
    if (!this.starts) return;
    let at = 0;
    points.forEach((point, index) => {
      this.starts![index] = at;
      at += point.length;
    });
    this.starts[points.length] = at;
  }

  /** @throws {InvalidEdit} if the text has no such offset. */
  toUtf16(codePoints: number): number {
    if (!Number.isInteger(codePoints) || codePoints < 0 || codePoints > this.length)
      throw new InvalidEdit(`the text has ${this.length} code points; there is no offset ${codePoints}`);
    return this.starts ? this.starts[codePoints]! : codePoints;
  }

  /** An offset inside a character counts as its start. @throws {InvalidEdit} if the text has no such offset. */
  fromUtf16(units: number): number {
    if (!Number.isInteger(units) || units < 0 || units > this.text.length)
      throw new InvalidEdit(`the text has ${this.text.length} UTF-16 units; there is no offset ${units}`);
    if (!this.starts) return units;
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.starts[middle]! <= units) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

export interface AnchorParts {
  work?: Anchor["work"];
  source?: string;
  heading?: string;
  page?: string;
}

/**
 * Returns the anchor of a selection in a text: the words, what surrounds them, the position and the progression. `start`
 * and `end` are UTF-16 units, as a selection has them.
 *
 * @throws {InvalidEdit} if there is no such stretch, or it is empty.
 */
export function anchorOf(text: string | Offsets, start: number, end: number, parts: AnchorParts = {}): Anchor {
  const offsets = typeof text === "string" ? new Offsets(text) : text;
  const [first, last] = [offsets.fromUtf16(start), offsets.fromUtf16(end)];
  if (first >= last) throw new InvalidEdit("a highlight ends after it starts");
  const slice = (from: number, to: number): string =>
    offsets.text.slice(offsets.toUtf16(Math.max(from, 0)), offsets.toUtf16(Math.min(to, offsets.length)));
  const quote = { exact: slice(first, last), prefix: slice(first - AROUND, first), suffix: slice(last, last + AROUND) };
  const position = { start: first, end: last, unit: "codepoint" as const };
  const { work, source = "", heading, page } = parts;
  const given = Object.entries({ work, heading, page }).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(given), source, quote, position, progression: first / Math.max(offsets.length, 1) };
}

/** The answer to where an anchor stands in a text; the offsets are UTF-16 units. */
export interface Resolution {
  readonly verdict: "exact" | "relocated" | "ambiguous" | "orphan";
  /** There if the verdict is exact or relocated. */
  readonly range: readonly [start: number, end: number] | null;
  /** Up to five places that were considered. */
  readonly candidates: readonly (readonly [start: number, end: number])[];
}

const ORPHAN: Resolution = { verdict: "orphan", range: null, candidates: [] };
const SHOWN = 5;
/** So many characters hardly stand somewhere by chance. */
const WEIGHT = 24;
/** So many suffice for each power of ten of the text's length, if all stand there to the letter and only there. */
const IN_SHORT_TEXT = 3.5;
/** What is near a recorded position: so much of the text's length, or so many characters. */
const NEAR = 0.01;
const NEAR_AT_LEAST = 2048;
const COUNTED = 65_536;

/**
 * Says where an anchor stands: at its position, if all around it is as it was; else where its quote stands with all that
 * was around it, if that is near and one place alone. What is not sure is ambiguous, and not to be shown as the
 * highlight's.
 */
export function resolve(text: string | Offsets, anchor: Anchor): Resolution {
  const offsets = typeof text === "string" ? new Offsets(text) : text;
  const { position } = anchor;
  const { exact = "", prefix = "", suffix = "" } = anchor.quote ?? {};
  const whole = prefix + exact + suffix;
  if (!whole) {
    if (!position || position.end > offsets.length) return ORPHAN;
    return { ...ORPHAN, verdict: "ambiguous", candidates: [[offsets.toUtf16(position.start), offsets.toUtf16(position.end)]] };
  }
  const recorded = position && position.end <= offsets.length ? offsets.toUtf16(position.start) : null;
  const of = (at: number): [number, number] => [at + prefix.length, at + prefix.length + exact.length];
  if (recorded !== null && [...exact].length === position!.end - position!.start) {
    const at = recorded - prefix.length;
    if (at >= 0 && offsets.text.startsWith(whole, at) && isNoChance(offsets.text, whole, at))
      return { verdict: "exact", range: of(at), candidates: [of(at)] };
  }
  const places = occurrences(offsets.text, whole).map(of);
  const [only] = places;
  const isWhole = Boolean(exact.trim()) && ![exact, suffix].some((part) => /^\p{M}/u.test(part)); // or a letter's accent alone
  const isAlone = places.length === 1 && occurrences(folded(offsets.text), folded(whole)).length === 1;
  if (only && isWhole && isAlone && (weightOf(whole) >= WEIGHT || isEnoughInShort(offsets, whole, only[0] - prefix.length))) {
    const reach = Math.max(NEAR * offsets.length, NEAR_AT_LEAST);
    if (!position) return { verdict: "exact", range: only, candidates: places };
    if (recorded !== null && Math.abs(only[0] - recorded) <= reach)
      return { verdict: only[0] === recorded ? "exact" : "relocated", range: only, candidates: places };
  }
  return places.length ? { verdict: "ambiguous", range: null, candidates: places.slice(0, SHOWN) } : ORPHAN;
}

/** Whether what stands at the recorded position would hardly stand there in a text that has moved. */
function isNoChance(text: string, whole: string, at: number): boolean {
  if (weightOf(whole) >= WEIGHT) return true;
  const around = text.slice(Math.max(at - COUNTED, 0), at + COUNTED);
  return occurrences(around, whole).length <= Math.max(around.length / 1000, 1);
}

/** Whether few words are enough in so short a text. What may be written with or without an accent or a hyphen is not. */
function isEnoughInShort({ text, length }: Offsets, whole: string, at: number): boolean {
  if (/[\p{Cf}\p{Pd}\p{M}]/u.test(text.slice(at, at + whole.length + 1))) return false;
  return weightOf(whole.replace(/\s+/g, " ").trim()) >= IN_SHORT_TEXT * Math.log10(length);
}

/** Counts characters; one of a script that has a character for a syllable or word says as much as three letters. */
const weightOf = (text: string): number => [...text].reduce((sum, each) => sum + (each.codePointAt(0)! >= 0x2e80 ? 3 : 1), 0);

/** Coarser than the engine folds, so what stands at one place alone here does there too. */
const folded = (text: string): string =>
  text.normalize("NFKC").toLowerCase().replace(/\p{Pd}\s*|[\p{Cf}\p{Pi}\p{Pf}'"`´ʼ′″]/gu, "").replace(/\s+/g, " ").trim();

function occurrences(text: string, sought: string): number[] {
  const found: number[] = [];
  for (let at = text.indexOf(sought); at >= 0 && found.length <= 1000; at = text.indexOf(sought, at + 1)) found.push(at);
  return found;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === "string";
const only = (value: Record<string, unknown>, names: readonly string[]): boolean =>
  Object.keys(value).every((name) => names.includes(name));

/** What each part of an anchor is; what is something else is passed over, and stays in the document as it is. */
const READERS: Record<string, (value: unknown) => unknown> = {
  work: (value) => (isObject(value) ? value : undefined),
  source: (value) => (isText(value) ? value : undefined),
  heading: (value) => (isText(value) ? value : undefined),
  page: (value) => (isText(value) ? value : undefined),
  opaque: (value) => (Array.isArray(value) && value.length ? value : undefined),
  progression: (value) => (typeof value === "number" && value >= 0 && value <= 1 ? value : undefined),
  quote: readQuote,
  position: readPosition,
};

/** Reads what stands in a document, leniently: other devices, other versions and strangers have written it. */
export function readAnchor(value: unknown): Anchor {
  if (!isObject(value)) return {};
  const read = Object.entries(value).map(([name, part]): [string, unknown] => [
    name,
    Object.hasOwn(READERS, name) ? READERS[name]!(part) : part,
  ]);
  return Object.fromEntries(read.filter(([, part]) => part !== undefined));
}

function readQuote(value: unknown): Quote | undefined {
  if (!isObject(value) || !only(value, ["exact", "prefix", "suffix"])) return undefined;
  const { exact = "", prefix = "", suffix = "" } = value;
  return isText(exact) && isText(prefix) && isText(suffix) ? { exact, prefix, suffix } : undefined;
}

function readPosition(value: unknown): Position | undefined {
  if (!isObject(value) || !only(value, ["start", "end", "unit"]) || (value.unit ?? "codepoint") !== "codepoint") return undefined;
  const { start, end } = value;
  if (typeof start !== "number" || typeof end !== "number" || !(start >= 0 && start <= end && end < 2 ** 53)) return undefined;
  return { start: Math.trunc(start), end: Math.trunc(end), unit: "codepoint" };
}
