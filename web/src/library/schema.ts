/**
 * The names of the document: the contract between Python, TypeScript and any Yjs client (`docs/protocol.md`).
 *
 * All root maps are flat. No key that two devices may set holds a nested shared type: each device would make its own,
 * one of them would win, and everything ever written into the other would be gone.
 */

export const META = "meta";
export const HIGHLIGHTS = "highlights";
export const NOTES = "notes";
export const FIELDS = "fields";
export const COLLECTIONS = "collections";
/** Where each device reads: `<device>/<work>`, written by that device alone. */
export const POSITIONS = "positions";
export const META_SCHEMA = "schema";
export const META_MIN_WRITER = "minWriter";
/** The version of this layout that this code writes. */
export const SCHEMA = 1;

export const COLOR = "color";
export const STYLE = "style";
export const TITLE = "title";
export const COMMENT = "comment";
export const BODY = "body";
export const ANCHOR = "anchor";
export const UPDATED_AT = "updatedAt";
export const DELETED_AT = "deletedAt";
export const TAG = "tag";
export const ITEM = "item";
export const KIND = "kind";
/** The key of what a foreign file says: of an item's immutable value, and of its fields once the file says something else. */
export const IMPORTED = "imported";
export const FIXED_FIELDS = [COLOR, STYLE, TITLE, COMMENT, BODY, ANCHOR, UPDATED_AT, DELETED_AT] as const;

/** The key in `fields` of one field of an item. */
export const fieldKey = (itemId: string, name: string): string => `${itemId}/${name}`;

/** The key in `fields` that is true while the item has the tag. */
export const tagKey = (itemId: string, tag: string): string => `${itemId}/${TAG}/${tag}`;

/** The key in `fields` that holds an item's order key in a collection, and is there while it is in it. */
export const memberKey = (collectionId: string, itemId: string): string => `${collectionId}/${ITEM}/${itemId}`;

/** The key in `positions` of where a device reads in a work. */
export const positionKey = (device: string, work: string): string => `${device}/${work}`;

/** The item id, the field's name, and its tag or member: `h/tag/a/b` gives `["h", "tag", "a/b"]`. */
export function splitFieldKey(key: string): [itemId: string, name: string, of: string] {
  const first = key.indexOf("/");
  if (first < 0) return [key, "", ""];
  const second = key.indexOf("/", first + 1);
  if (second < 0) return [key.slice(0, first), key.slice(first + 1), ""];
  return [key.slice(0, first), key.slice(first + 1, second), key.slice(second + 1)];
}

/** The root XmlFragment that is a note's body. */
export const noteRoot = (noteId: string): string => `note/${noteId}`;
