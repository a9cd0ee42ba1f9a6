"""A library's document read as values: items, what they have, and where people read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from crdt_sync.document import schema
from crdt_sync.document.anchors import Anchor
from crdt_sync.document.events import ItemKind
from crdt_sync.document.imported import Imported, said, tags_said, whole
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
        """Return which of `tags`, and of those that a file gave, an item has; one that is not there may have some."""
        made = self._highlights.get(item_id) or self._notes.get(item_id)
        given = () if made is None else tags_said(made, self._field(item_id, schema.IMPORTED))
        states = {tag: self._fields.get(schema.tag_key(item_id, tag)) for tag in {*tags, *given}}
        return tuple(sorted(tag for tag, state in states.items() if (tag in given if state is None else state)))

    def imported(self, item_id: str) -> Imported | None:
        """Return what a foreign file says of an item, None if it was never imported or is not there."""
        made = self._highlights.get(item_id) or self._notes.get(item_id)
        return None if made is None else said(made, self._field(item_id, schema.IMPORTED))

    def imported_of(self, item_ids: Iterable[str]) -> list[Imported | None]:
        """Return what foreign files say of several items."""
        with self.reading():
            return [self.imported(item_id) for item_id in item_ids]

    def highlight(self, item_id: str, tags: tuple[str, ...]) -> Highlight | None:
        """Return a highlight, or None; `tags` are its `tags`."""
        made = self._highlights.get(item_id)
        if not isinstance(made, dict):
            return None
        imported = said(made, self._field(item_id, schema.IMPORTED))
        anchor = self._field(item_id, schema.ANCHOR)
        if anchor is None and imported is not None and imported.anchor is not None:
            anchor = imported.anchor.to_json()
        return Highlight(
            id=item_id,
            anchor=Anchor.from_json(whole(made.get("anchor") if anchor is None else anchor)),
            color=self._text(item_id, schema.COLOR, imported),
            style=self._text(item_id, schema.STYLE, imported),
            tags=tags,
            comment=self._text(item_id, schema.COMMENT, imported),
            created_at_ms=_milliseconds(made.get("createdAt")) or 0,
            created_by=str(made.get("createdBy", "")),
            updated_at_ms=self._updated_at(item_id, imported),
            deleted_at_ms=self._deleted_at(item_id, imported),
            kind="bookmark" if made.get(schema.KIND) == "bookmark" else "highlight",
        )

    def note(self, item_id: str, tags: tuple[str, ...]) -> Note | None:
        """Return a note, or None; `tags` are its `tags`."""
        made = self._notes.get(item_id)
        if not isinstance(made, dict):
            return None
        imported = said(made, self._field(item_id, schema.IMPORTED))
        highlight_id = made.get("highlight")
        return Note(
            id=item_id,
            highlight_id=highlight_id if isinstance(highlight_id, str) else None,
            title=self._text(item_id, schema.TITLE, imported),
            text=plain_text(self.body(item_id)),
            tags=tags,
            created_at_ms=_milliseconds(made.get("createdAt")) or 0,
            created_by=str(made.get("createdBy", "")),
            updated_at_ms=self._updated_at(item_id, imported),
            deleted_at_ms=self._deleted_at(item_id, imported),
        )

    def position_keys(self) -> list[str]:
        """Return the keys of all reading positions."""
        return list(self._positions)

    def position(self, key: str) -> Any:
        """Return what stands under the key of a reading position, or None."""
        return whole(self._positions.get(key))

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

    def _text(self, item_id: str, name: str, imported: Imported | None = None) -> str:
        """A field that is there hides what a file says, an empty one too."""
        value = self._field(item_id, name)
        if isinstance(value, str):
            return value
        return "" if imported is None else imported.text(name)

    def _updated_at(self, item_id: str, imported: Imported | None) -> int:
        at = _milliseconds(self._field(item_id, schema.UPDATED_AT))
        return at or (imported.updated_at_ms if imported is not None else 0) or 0

    def _deleted_at(self, item_id: str, imported: Imported | None) -> int | None:
        """A file that has an item in its trash gives no time for that; `false` says that a person took it out."""
        value = self._field(item_id, schema.DELETED_AT)
        if value is None and imported is not None and imported.trashed:
            return imported.updated_at_ms or 0
        return _milliseconds(value)


def _milliseconds(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        return None
    return int(value)
