"""Items as rows of the tables for queries: what each table has of them, what they count for, which links lead there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from crdt_sync.document.anchors import Anchor
from crdt_sync.document.links import title_key
from crdt_sync.document.values import Collection, Highlight, Note
from crdt_sync.document.verses import place_key
from crdt_sync.storage.words import indexed

__all__ = ["COLLECTIONS", "HIGHLIGHTS", "ITEMS", "NOTES", "Facets", "Row", "Standing", "standing", "texts_of"]

Row = tuple[Any, ...]
Facets = set[tuple[str, str]]

HIGHLIGHTS = (
    "id", "work", "source", "color", "style", "comment", "anchor", "created_at_ms", "created_by", "updated_at_ms",
    "deleted_at_ms", "kind", "place",
)  # fmt: skip
NOTES = (
    "id", "highlight_id", "title", "text", "created_at_ms", "created_by", "updated_at_ms", "deleted_at_ms", "title_key",
)  # fmt: skip
COLLECTIONS = ("id", "title", "created_at_ms", "created_by", "updated_at_ms", "deleted_at_ms")
ITEMS = {"highlights": HIGHLIGHTS, "notes": NOTES, "collections": COLLECTIONS}
"""An item stands in one of these tables. Highlights, notes and the full text have their row numbers in common."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An item as its table has it, or shall have it; `number` is its row's, if that is known."""

    table: str
    row: Row
    number: int | None = None

    @property
    def is_searched(self) -> bool:
        return self.table != "collections"

    @property
    def words(self) -> Row:
        """What its full text is made of, but for tags."""
        return self.row[5:7] if self.table == "highlights" else self.row[2:4]

    def facets(self, tags: Iterable[str]) -> Facets:
        """Return what it counts for; nothing while it is in the trash."""
        if self.table == "highlights" and self.row[10] is None:
            return {("work", self.row[1]), ("color", self.row[3]), *(("tag", tag) for tag in tags)}
        if self.table == "notes" and self.row[7] is None:
            return {("tag", tag) for tag in tags}
        return set()

    def targets(self) -> set[str]:
        """Return the targets of links that lead to it; none while it is in the trash."""
        if self.table == "highlights" and self.row[10] is None:
            return {f"highlight:{self.row[0]}"}
        if self.table == "notes" and self.row[7] is None:
            return {f"note:{self.row[0]}", f"[[{self.row[8]}]]"}
        return set()


def standing(item: Highlight | Note | Collection, was: Standing | None) -> Standing:
    if isinstance(item, Highlight):
        return Standing("highlights", _highlight_row(item, was))
    if isinstance(item, Note):
        return Standing("notes", _note_row(item))
    return Standing("collections", _collection_row(item))


def _highlight_row(item: Highlight, was: Standing | None) -> Row:
    anchor = _ENCODER.encode(item.anchor.to_json())
    stays = was is not None and was.table == "highlights" and was.row[6] == anchor
    return (
        item.id,
        item.anchor.work_id,
        item.anchor.source or "",
        item.color,
        item.style,
        item.comment,
        anchor,
        item.created_at_ms,
        item.created_by,
        item.updated_at_ms,
        item.deleted_at_ms,
        item.kind,
        was.row[12] if was is not None and stays else _place(item.anchor),
    )


def _note_row(item: Note) -> Row:
    return (
        item.id,
        item.highlight_id,
        item.title,
        item.text,
        item.created_at_ms,
        item.created_by,
        item.updated_at_ms,
        item.deleted_at_ms,
        title_key(item.title),
    )


def _collection_row(item: Collection) -> Row:
    return (item.id, item.title, item.created_at_ms, item.created_by, item.updated_at_ms, item.deleted_at_ms)


_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True)
_place_key: Callable[[str | None], str] = lru_cache(maxsize=4096)(place_key)


def _place(anchor: Anchor) -> str:
    """Return what sorts a highlight in its work: the source's place, then how far it is in the work, then where."""
    progression = "" if anchor.progression is None else f"{anchor.progression:.9f}"
    position = "" if anchor.position is None else f"{anchor.position.start:016}"
    return f"{_place_key(anchor.source)}\x01{progression}\x01{position}"


def texts_of(item: Highlight | Note) -> Row:
    """Return the full text of an item, in the order of `_TEXTS`."""
    tags = "\n".join(item.tags)
    if isinstance(item, Highlight):
        quote = item.anchor.quote.exact if item.anchor.quote else ""
        texts = ("", quote, "", item.comment, tags, item.anchor.heading or "")
    else:
        texts = (item.title, "", item.text, "", tags, "")
    return tuple(indexed(text) if text else "" for text in texts)
