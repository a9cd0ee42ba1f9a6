/** What an edit may say. Each check throws before anything has changed. */
import type { Anchor } from "./values.js";

/** An edit that cannot be made; nothing has changed. */
export class InvalidEdit extends Error {
  override name = "InvalidEdit";
}

export function checkId(id: string): void {
  checkTexts([id]);
  const bytes = new TextEncoder().encode(id).length;
  if (!bytes || bytes > 200 || id.includes("/"))
    throw new InvalidEdit("an id has 1 to 200 bytes and no slash; leave it out to have one made");
}

/** Half a character would be written as another one: what is read then is not what was said. */
export function checkTexts(texts: readonly (string | undefined)[]): void {
  if (texts.some((text) => text !== undefined && /\p{Surrogate}/u.test(text)))
    throw new InvalidEdit("a text holds half a character (a lone surrogate)");
}

export function checkTags(tags: readonly string[] = []): void {
  checkTexts(tags);
  if (!tags.every(Boolean)) throw new InvalidEdit("a tag has at least one character");
}

/** Returns a copy that holds JSON values only, with its quote and position whole. */
export function checkedAnchor(anchor: Anchor): Anchor {
  const { source, quote, position, opaque, progression } = anchor;
  if (source === undefined && !quote && !position && !opaque?.length)
    throw new InvalidEdit("an anchor needs a source, a quote, a position or a foreign selector");
  if (position && !(position.start >= 0 && position.start <= position.end))
    throw new InvalidEdit("a position starts at 0 or later and does not end before it starts");
  if (progression !== undefined && !(progression >= 0 && progression <= 1))
    throw new InvalidEdit("progression goes from 0 to 1");
  let json: string;
  try {
    json = JSON.stringify(anchor, (_key, value: unknown) => {
      if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError(`${value} is no JSON number`);
      if (typeof value === "string") checkTexts([value]);
      return value;
    });
  } catch (error) {
    if (error instanceof InvalidEdit) throw error;
    throw new InvalidEdit(`an anchor holds only JSON values: ${String(error)}`);
  }
  const copy = JSON.parse(json) as Anchor;
  return {
    ...copy,
    ...(copy.quote ? { quote: { prefix: "", suffix: "", ...copy.quote } } : {}),
    ...(copy.position ? { position: { ...copy.position, unit: "codepoint" as const } } : {}),
  };
}
