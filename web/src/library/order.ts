/**
 * Order keys: texts whose lexical order is the order of a list, so that one item is moved by writing one key.
 *
 * `docs/protocol.md`, "Collections", says what a key is; `crdt_sync/document/order.py` makes the same ones. Source: D.
 * Greenspan, "Implementing Fractional Indexing" (2020).
 */
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE = DIGITS.length;
/** So many digits are a counter for appending and prepending: 14 million of either before a key grows longer. */
const HEAD = 4;
const TAIL = 3;
/** What sorts after all keys: the place of an item whose key is none. */
const LAST = "~";
const KEY = /^[0-9A-Za-z]{0,1023}[1-9A-Za-z]$/;

/** An item's key in a collection, and its id. */
export type Member = readonly [key: string, id: string];

const isKey = (value: unknown): value is string => typeof value === "string" && KEY.test(value);

/** Returns what a value that stands in a document is sorted by. */
export const orderKey = (value: unknown): string => (isKey(value) ? value : LAST);

/** Compares members by key, then by id, code point by code point. */
export function compareMembers(one: Member, other: Member): number {
  return one[0] === other[0] ? compareText(one[1], other[1]) : one[0] < other[0] ? -1 : 1;
}

/** Compares as Python does, by code points; JavaScript's own `<` compares UTF-16 units. */
export function compareText(one: string, other: string): number {
  const [left, right] = [[...one], [...other]];
  for (let at = 0; at < Math.min(left.length, right.length); at++) {
    const difference = left[at]!.codePointAt(0)! - right[at]!.codePointAt(0)!;
    if (difference) return difference;
  }
  return left.length - right.length;
}

/**
 * Returns a key after `left` and before `right`; null is the start and the end. `itemId` gives its tail, so that two
 * devices which fill one gap while apart do not draw the same key.
 *
 * @throws {RangeError} if there is nothing between them.
 */
export function keyBetween(left: string | null, right: string | null, itemId = ""): string {
  if (left !== null && right !== null && left >= right) throw new RangeError(`no key is between ${left} and ${right}`);
  const tail = itemId ? digits((crc32(new TextEncoder().encode(itemId)) % (BASE ** TAIL - 1)) + 1, TAIL) : "";
  const key = right === null ? after(left ?? "") : left === null ? before(right) : middle(left, right);
  return (key + tail).replace(/0+$/, "");
}

/**
 * Returns the keys to write so that `itemId` stands before `members[index]`, and nothing else moves. `members` are in
 * order, without `itemId`. It is one key, but where keys are equal or are none.
 */
export function placed(members: readonly Member[], index: number, itemId: string): Map<string, string> {
  let [first, end] = [index, index];
  while (first > 0 && !isKey(members[first - 1]![0])) first -= 1;
  const left = first ? members[first - 1]![0] : null;
  while (end < members.length && !(isKey(members[end]![0]) && (left === null || members[end]![0] > left))) end += 1;
  const right = end < members.length ? members[end]![0] : null;
  const ids = members.map(([, id]) => id);
  const keys = spread([...ids.slice(first, index), itemId, ...ids.slice(index, end)], left, right);
  if ([...keys.values()].every(isKey)) return keys;
  return spread([...ids.slice(0, index), itemId, ...ids.slice(index)], null, null); // thousands in one gap
}

function spread(ids: readonly string[], left: string | null, right: string | null): Map<string, string> {
  const keys = new Map<string, string>();
  for (const id of ids) {
    left = keyBetween(left, right, id);
    keys.set(id, left);
  }
  return keys;
}

/** Returns digits whose every continuation is after `key`: its head, counted up. */
function after(key: string): string {
  if (!key) return digits(Math.floor(BASE ** HEAD / 2), HEAD);
  const head = numberOf(key.slice(0, HEAD).padEnd(HEAD, "0"));
  return head < BASE ** HEAD - 1 ? digits(head + 1, HEAD) : key.slice(0, HEAD) + after(key.slice(HEAD));
}

/** Returns digits whose every continuation is before `key`: its head, counted down. */
function before(key: string): string {
  const head = numberOf(key.slice(0, HEAD).padEnd(HEAD, "0"));
  return head > 1 ? digits(head - 1, HEAD) : middle("", key);
}

/** Returns the shortest digits whose every continuation is after `left` and before `right`. */
function middle(left: string, right: string): string {
  let prefix = "";
  let below: boolean = false; // what stands in `prefix` is smaller than the same digits of `right` already
  for (;;) {
    const place = prefix.length;
    const low = place < left.length ? DIGITS.indexOf(left[place]!) : 0;
    const high: number = below ? BASE : DIGITS.indexOf(right[place]!);
    if (high - low > 1) return prefix + DIGITS[Math.floor((low + high) / 2)]!;
    prefix += DIGITS[low]!;
    below ||= high > low;
  }
}

const numberOf = (text: string): number => [...text].reduce((sum, digit) => sum * BASE + DIGITS.indexOf(digit), 0);

function digits(number: number, length: number): string {
  let text = "";
  for (let at = 0; at < length; at++) {
    text = DIGITS[number % BASE]! + text;
    number = Math.floor(number / BASE);
  }
  return text;
}

/** CRC-32 as in zlib (RFC 1952, section 8). */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
