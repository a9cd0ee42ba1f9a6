"""The names of the document: the contract between Python, TypeScript and any Yjs client (`docs/protocol.md`).

All root maps are flat. No key that two devices may set holds a nested shared type: each device would make its own, one
of them would win, and everything ever written into the other would be gone.
"""

from __future__ import annotations

__all__ = [
    "ANCHOR",
    "BODY",
    "COLLECTIONS",
    "COLOR",
    "COMMENT",
    "DELETED_AT",
    "FIELDS",
    "FIXED_FIELDS",
    "HIGHLIGHTS",
    "IMPORTED",
    "ITEM",
    "KIND",
    "META",
    "META_MIN_WRITER",
    "META_SCHEMA",
    "NOTES",
    "POSITIONS",
    "SCHEMA",
    "STYLE",
    "TAG",
    "TITLE",
    "UPDATED_AT",
    "field_key",
    "member_key",
    "note_root",
    "position_key",
    "split_field_key",
    "tag_key",
]

META, HIGHLIGHTS, NOTES, FIELDS = "meta", "highlights", "notes", "fields"
POSITIONS = "positions"
"""Where each device reads: `<device>/<work>`, written by that device alone."""
COLLECTIONS = "collections"
META_SCHEMA, META_MIN_WRITER = "schema", "minWriter"
SCHEMA = 1
"""The version of this layout that this code writes."""

COLOR, STYLE, TITLE, COMMENT, BODY = "color", "style", "title", "comment", "body"
ANCHOR, UPDATED_AT, DELETED_AT, TAG, ITEM = "anchor", "updatedAt", "deletedAt", "tag", "item"
FIXED_FIELDS = (COLOR, STYLE, TITLE, COMMENT, BODY, ANCHOR, UPDATED_AT, DELETED_AT)


IMPORTED = "imported"
"""The key of an item's immutable value that has what a foreign file said of it, and the field of what it says since."""

KIND = "kind"
"""The key of a highlight's immutable value that tells a bookmark; one without it is a highlight."""


def field_key(item_id: str, name: str) -> str:
    """Return the key in `fields` of one field of an item."""
    return f"{item_id}/{name}"


def tag_key(item_id: str, tag: str) -> str:
    """Return the key in `fields` that is true while the item has the tag."""
    return f"{item_id}/{TAG}/{tag}"


def member_key(collection_id: str, item_id: str) -> str:
    """Return the key in `fields` that holds an item's order key in a collection, and is there while it is in it."""
    return f"{collection_id}/{ITEM}/{item_id}"


def split_field_key(key: str) -> tuple[str, str, str]:
    """Return the item id, the field's name, and its tag or member: `h/tag/a/b` gives `("h", "tag", "a/b")`."""
    item_id, _, rest = key.partition("/")
    name, _, of = rest.partition("/")
    return item_id, name, of


def note_root(note_id: str) -> str:
    """Return the name of the root XmlFragment that is a note's body."""
    return f"note/{note_id}"


def position_key(device: str, work: str) -> str:
    """Return the key in `positions` of where a device reads in a work."""
    return f"{device}/{work}"
