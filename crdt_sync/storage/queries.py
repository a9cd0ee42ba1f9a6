"""Reads highlights and notes from the tables: one, or a list that is filtered, sorted and paged."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Unpack

from crdt_sync.document.anchors import Anchor
from crdt_sync.document.values import Collection, Highlight, Note
from crdt_sync.storage.filters import Filters, ItemFilter, Rows, Sort, order_by

__all__ = ["Author", "Counts", "Queries"]

MANY = 2_000
"""Where more items pass a filter, a page of them is found sooner by walking the list than by sorting them all."""
_IN_ORDER = {"place": "highlights_in_order", "newest": "highlights_by_time", "changed": "highlights_by_change"}
_NOTES_IN_ORDER = {"newest": "notes_by_time", "changed": "notes_by_change"}

_HIGHLIGHT = (
    "SELECT highlights.id, anchor, color, style, comment, highlights.created_at_ms, highlights.created_by, "
    "highlights.updated_at_ms, highlights.deleted_at_ms, kind FROM highlights"
)
_NOTE = (
    "SELECT notes.id, notes.highlight_id, notes.title, notes.text, notes.created_at_ms, notes.created_by, "
    "notes.updated_at_ms, notes.deleted_at_ms FROM notes"
)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many items there are, and how many of them are in the trash."""

    highlights: int
    notes: int
    trashed: int


@dataclass(frozen=True, slots=True)
class Author:
    """A name, the items that bear it as their maker's, those in the trash included, and when the last was made.

    The time is milliseconds since 1970, by the clock of the device that made it.
    """

    name: str
    highlights: int
    notes: int
    last_made_at_ms: int


class Queries:
    """The part of `ReadModel` that reads items."""

    _connection: sqlite3.Connection

    def highlight(self, item_id: str) -> Highlight | None:
        """Return a highlight, in the trash or not, or None."""
        return next(self._read_highlights("WHERE id = ?", [item_id]), None)

    def note(self, item_id: str) -> Note | None:
        """Return a note, in the trash or not, or None."""
        return next(self._read_notes("WHERE id = ?", [item_id]), None)

    def item(self, item_id: str) -> Highlight | Note | None:
        """Return a highlight or note, in the trash or not, or None."""
        return self.highlight(item_id) or self.note(item_id)

    def highlights(
        self, *, sort: Sort = "place", limit: int = -1, offset: int = 0, **filters: Unpack[Filters]
    ) -> list[Highlight]:
        """Return highlights and bookmarks; by place is by work, and in canonical order in it."""
        wanted, order = ItemFilter(**filters), order_by(sort, "highlights")
        walk = limit >= 0 and not wanted.trashed and self._let_many_pass(wanted)
        conditions = wanted.of_highlights(walk=walk)
        if conditions is None:
            return []
        conditions.add(f"highlights.deleted_at_ms IS {'NOT ' * wanted.trashed}NULL")
        # SQLite knows neither how few are in the trash nor how many pass
        index = "highlights_in_trash" if wanted.trashed else _IN_ORDER[sort] if walk else None
        index = None if wanted.kind == "bookmark" else index  # they have an index of their own
        clause = f"{_by(index)}WHERE {conditions} ORDER BY {order} LIMIT ? OFFSET ?"
        return list(self._read_highlights(clause, [*conditions.values, limit, offset]))

    def notes(
        self,
        *,
        highlight_id: str | None = None,
        sort: Sort = "newest",
        limit: int = -1,
        offset: int = 0,
        **filters: Unpack[Filters],
    ) -> list[Note]:
        """Return notes, of one highlight or all; by place is by that of their highlights, free notes first."""
        wanted, order = ItemFilter(**filters), order_by(sort, "notes")
        walk = limit >= 0 and not wanted.trashed and highlight_id is None and self._let_many_pass(wanted)
        conditions = wanted.of_notes(walk=walk)
        if conditions is None:
            return []
        conditions.add(f"notes.deleted_at_ms IS {'NOT ' * wanted.trashed}NULL")
        if highlight_id is not None:
            conditions.add("notes.highlight_id = ?", highlight_id)
        index = "notes_in_trash" if wanted.trashed else _NOTES_IN_ORDER.get(sort) if walk else None
        join = _by(index)
        if wanted.is_of_the_passage or sort == "place":
            join += "LEFT JOIN highlights ON highlights.id = notes.highlight_id "
            order = f"{order}, notes.created_at_ms, notes.id" if sort == "place" else order
        clause = f"{join}WHERE {conditions} ORDER BY {order} LIMIT ? OFFSET ?"
        return list(self._read_notes(clause, [*conditions.values, limit, offset]))

    def ids_starting_with(self, start: str, *, limit: int = 10) -> list[str]:
        """Return ids of highlights, notes and collections, in the trash or not, that begin like this."""
        tables = ("highlights", "notes", "collections")
        selects = " UNION ".join(f"SELECT id FROM {table} WHERE substr(id, 1, ?) = ?" for table in tables)
        values = [len(start), start] * len(tables)
        return [item_id for (item_id,) in self._connection.execute(f"{selects} ORDER BY id LIMIT ?", (*values, limit))]

    def counts(self) -> Counts:
        """Return how many highlights and notes there are."""
        row = self._connection.execute(
            "SELECT (SELECT count(*) FROM highlights), (SELECT count(*) FROM notes), "
            "(SELECT count(*) FROM highlights WHERE deleted_at_ms IS NOT NULL) + "
            "(SELECT count(*) FROM notes WHERE deleted_at_ms IS NOT NULL)"
        ).fetchone()
        return Counts(*row)

    def authors(self) -> list[Author]:
        """Return who made the items, the one who made something last first."""
        rows = self._connection.execute(
            "SELECT created_by, sum(highlight), sum(1 - highlight), max(created_at_ms) AS last FROM ("
            "SELECT created_by, 1 AS highlight, created_at_ms FROM highlights UNION ALL "
            "SELECT created_by, 0, created_at_ms FROM notes) GROUP BY created_by ORDER BY last DESC, created_by"
        )
        return [Author(*row) for row in rows]

    def _read_highlights(self, clause: str, values: list[Any]) -> Iterator[Highlight]:
        for item_id, anchor, color, style, comment, *times in self._connection.execute(
            f"{_HIGHLIGHT} {clause}", values
        ):
            yield Highlight(
                item_id, Anchor.from_json(json.loads(anchor)), color, style, self._tags(item_id), comment, *times
            )

    def _read_notes(self, clause: str, values: list[Any]) -> Iterator[Note]:
        for item_id, highlight_id, title, text, *times in self._connection.execute(f"{_NOTE} {clause}", values):
            yield Note(item_id, highlight_id, title, text, self._tags(item_id), *times)

    def _read_collections(self, clause: str, values: list[Any]) -> Iterator[Collection]:
        select = "SELECT id, title, created_at_ms, created_by, updated_at_ms, deleted_at_ms FROM collections"
        for row in self._connection.execute(f"{select} {clause}", values):
            yield Collection(*row)

    def _tags(self, item_id: str) -> tuple[str, ...]:
        rows = self._connection.execute("SELECT tag FROM tags WHERE item_id = ? ORDER BY tag", (item_id,))
        return tuple(tag for (tag,) in rows)

    def _let_many_pass(self, wanted: ItemFilter) -> bool:
        """Say whether each of the filters, of those that an index answers, lets many highlights pass."""
        for tag in wanted.tags:
            count = "SELECT items FROM tallies WHERE facet = 'tag' AND value = ?"
            row = self._connection.execute(count, (tag,)).fetchone()
            if row is None or row[0] <= MANY:
                return False
        return all(self._are_more(each.rows[0], MANY) for each in wanted.narrowings())

    def _are_more(self, rows: Rows, number: int) -> bool:
        """Say whether these are more than so many."""
        beyond = f"{rows.select('1')} LIMIT 1 OFFSET ?"
        return self._connection.execute(beyond, (*rows.values, number)).fetchone() is not None


def _by(index: str | None) -> str:
    return "" if index is None else f"INDEXED BY {index} "
