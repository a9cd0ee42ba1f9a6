"""A library's document read as values: items, what they have, and where people read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from crdt_sync.document import schema
from crdt_sync.document.anchors import Anchor
from crdt_sync.document.events import ItemKind
from crdt_sync.document.links import MOST_LINKS, links_in
from crdt_sync.document.note_bodies import body_of
from crdt_sync.document.observed import ObservedDoc, Touch, Touched
from crdt_sync.document.order import order_key
from crdt_sync.document.rich import Blocks, links_of, plain_text
from crdt_sync.document.values import Collection, Highlight, Note

__all__ = ["DocumentValues"]


class DocumentValues(ObservedDoc):
    """The part of `LibraryDocument` that reads."""

    def tags(self, item_id: str, tags: Iterable[str]) -> tuple[str, ...]:
        """Return which of `tags` an item has, in order; one that is not there may have some too."""
        return tuple(sorted(tag for tag in tags if self._fields.get(schema.tag_key(item_id, tag))))

    def highlight(self, item_id: str, tags: tuple[str, ...]) -> Highlight | None:
        """Return a highlight, or None; `tags` are its `tags`."""
        made = self._highlights.get(item_id)
        if not isinstance(made, dict):
            return None
        anchor = self._field(item_id, schema.ANCHOR)
        return Highlight(
            id=item_id,
            anchor=Anchor.from_json(_whole(made.get("anchor") if anchor is None else anchor)),
            color=self._text(item_id, schema.COLOR),
            style=self._text(item_id, schema.STYLE),
            tags=tags,
            comment=self._text(item_id, schema.COMMENT),
            created_at_ms=_milliseconds(made.get("createdAt")) or 0,
            created_by=str(made.get("createdBy", "")),
            updated_at_ms=_milliseconds(self._field(item_id, schema.UPDATED_AT)) or 0,
            deleted_at_ms=_milliseconds(self._field(item_id, schema.DELETED_AT)),
            kind="bookmark" if made.get(schema.KIND) == "bookmark" else "highlight",
        )

    def note(self, item_id: str, tags: tuple[str, ...]) -> Note | None:
        """Return a note, or None; `tags` are its `tags`."""
        made = self._notes.get(item_id)
        if not isinstance(made, dict):
            return None
        highlight_id = made.get("highlight")
        return Note(
            id=item_id,
            highlight_id=highlight_id if isinstance(highlight_id, str) else None,
            title=self._text(item_id, schema.TITLE),
            text=plain_text(self.body(item_id)),
            tags=tags,
            created_at_ms=_milliseconds(made.get("createdAt")) or 0,
            created_by=str(made.get("createdBy", "")),
            updated_at_ms=_milliseconds(self._field(item_id, schema.UPDATED_AT)) or 0,
            deleted_at_ms=_milliseconds(self._field(item_id, schema.DELETED_AT)),
        )

    def position_keys(self) -> list[str]:
        """Return the keys of all reading positions."""
        return list(self._positions)

    def position(self, key: str) -> Any:
        """Return what stands under the key of a reading position, or None."""
        return _whole(self._positions.get(key))

    def links(self, item: Highlight | Note) -> tuple[str, ...]:
        """Return the links in a highlight's comment, or in a note's body: those of its marks and those in its text."""
        if isinstance(item, Highlight):
            return links_in(item.comment)
        marked = links_of(self.body(item.id))  # it knows code from text, so titles are its business
        bare = (link for link in links_in(item.text) if not link.startswith("[["))
        return tuple(dict.fromkeys((*marked, *bare)))[:MOST_LINKS]

    def collection(self, item_id: str) -> Collection | None:
        """Return a collection, or None."""
        made = self._collections.get(item_id)
        if not isinstance(made, dict):
            return None
        return Collection(
            id=item_id,
            title=self._text(item_id, schema.TITLE),
            created_at_ms=_milliseconds(made.get("createdAt")) or 0,
            created_by=str(made.get("createdBy", "")),
            updated_at_ms=_milliseconds(self._field(item_id, schema.UPDATED_AT)) or 0,
            deleted_at_ms=_milliseconds(self._field(item_id, schema.DELETED_AT)),
        )

    def order_key(self, collection_id: str, item_id: str) -> str | None:
        """Return what an item of a collection is sorted by there, None if it is not in it."""
        value = self._fields.get(schema.member_key(collection_id, item_id))
        return None if value is None else order_key(value)

    def body(self, note_id: str) -> Blocks:
        """Return a note's body; an imported text that nobody has edited yet as a paragraph for each line."""
        return body_of(self._doc, self._fields, note_id)

    def all_items(self) -> dict[str, Touch]:
        """Return every item with its tags and members, in the order in which they were made by the devices' clocks."""
        touched = Touched()
        for key in self._fields:
            item_id, name, of = schema.split_field_key(key)
            if name == schema.TAG:
                touched.item(item_id).tags.add(of)
            elif name == schema.ITEM:
                touched.item(item_id).members.add(of)
        made: dict[str, int] = {}
        for items in (self._highlights, self._notes, self._collections):
            for item_id, value in items.items():
                touched.item(item_id)
                at = value.get("createdAt") if isinstance(value, dict) else None
                made.setdefault(item_id, _milliseconds(at) or 0)
        return dict(sorted(touched.items.items(), key=lambda each: (made.get(each[0], 0), each[0])))

    def kind(self, item_id: str) -> ItemKind | None:
        """Return what an item is, or None if it is not there (any more)."""
        if item_id in self._highlights:
            return ItemKind.HIGHLIGHT
        if item_id in self._notes:
            return ItemKind.NOTE
        return ItemKind.COLLECTION if item_id in self._collections else None

    def _field(self, item_id: str, name: str) -> Any:
        try:  # `get` would look twice whether it is there
            return self._fields[schema.field_key(item_id, name)]
        except KeyError:
            return None

    def _text(self, item_id: str, name: str) -> str:
        value = self._field(item_id, name)
        return value if isinstance(value, str) else ""


def _milliseconds(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and abs(value) < 2**53 else None


def _whole(value: Any) -> Any:
    """Yjs numbers come back as floats; give integers back as they were."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return value
