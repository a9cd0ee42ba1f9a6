"""Full-text search: what holds a person's words, the best first, and never more work than an answer may take."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Unpack

from crdt_sync.storage.filters import Conditions, Filters, ItemFilter
from crdt_sync.storage.words import ELLIPSIS, OFF, ON, Query, shown

__all__ = ["Search", "SearchHit", "SearchResult"]

RANKED = 1_000
"""So many are ranked, the newest: SQLite would take a quarter of a second to rank all that hold the commonest word."""
LOOKED_AT = 20_000
"""So many that hold the words are held against the filter, the newest."""
WEIGHTS = (8.0, 4.0, 3.0, 3.0, 6.0, 2.0)
"""What a word counts in title, quote, text, comment, tags and heading."""
SNIPPET_WORDS = 16


@dataclass(frozen=True, slots=True)
class SearchHit:
    """An item that a search found; the words found are between `[` and `]` in `snippet`.

    `kind` is `highlight`, `bookmark` or `note`.
    """

    item_id: str
    kind: str
    snippet: str


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A page of what was found, the best first.

    `is_complete` is False if so many items hold the words that only the newest of them were looked at and ranked: more
    words, or a filter, find the rest.
    """

    hits: tuple[SearchHit, ...]
    is_complete: bool = True


class Search:
    """The part of `ReadModel` that searches."""

    _connection: sqlite3.Connection

    def search(self, text: str, *, limit: int = 50, offset: int = 0, **filters: Unpack[Filters]) -> SearchResult:
        """Return what holds all the words of `text`, the best first.

        "Words in quotes" are a phrase, -word must not be there, and the last word may be unfinished. Case and accents
        do not count, and any text is a query.
        """
        match, wanted = Query.of(text).match, ItemFilter(**filters)
        if not match:
            return SearchResult(())
        found, is_complete = self._found(match, wanted)
        hits = tuple(self._ranked(match, found, limit, offset)) if found else ()
        return SearchResult(hits, is_complete)

    def _found(self, match: str, wanted: ItemFilter) -> tuple[list[int], bool]:
        """Return the rows of the newest that pass the filter, the newest first, and whether that is all of them."""
        found: list[int] = []
        rows = self._connection.execute(*_matching(match, wanted))
        for looked_at, (rowid, passes) in enumerate(rows):
            if looked_at == LOOKED_AT or len(found) == RANKED:
                rows.close()
                return found, False
            if passes:
                found.append(rowid)
        return found, True

    def _ranked(self, match: str, found: list[int], limit: int, offset: int) -> Iterator[SearchHit]:
        """Yield a page. Each of `found` is ranked, and only those on the page are shown."""
        ranks = self._connection.execute(
            f"SELECT rowid, bm25(search, {', '.join(map(str, WEIGHTS))}) FROM search "
            "WHERE search MATCH ? AND rowid BETWEEN ? AND ?",
            (match, found[-1], found[0]),
        )
        wanted = set(found)
        order = sorted((rank, -rowid) for rowid, rank in ranks if rowid in wanted)
        end = len(order) if limit < 0 else offset + limit
        for _, rowid in order[offset:end]:
            yield self._hit(match, -rowid)

    def _hit(self, match: str, rowid: int) -> SearchHit:
        item_id, kind, snippet = self._connection.execute(
            f"SELECT item_id, kind, snippet(search, -1, '{ON}', '{OFF}', '{ELLIPSIS}', {SNIPPET_WORDS}) FROM search "
            "JOIN searched ON searched.rowid = search.rowid WHERE search MATCH ? AND search.rowid = ?",
            (match, rowid),
        ).fetchone()
        return SearchHit(item_id, kind, shown(snippet))


def _matching(match: str, wanted: ItemFilter) -> tuple[str, list[Any]]:
    """Return the statement that gives each row with the words, the newest first, and whether it passes the filter."""
    conditions = Conditions(["searched.trashed = ?"], [int(wanted.trashed)])
    if wanted.kind is not None:
        conditions.add("searched.kind = ?", wanted.kind)
    wanted.of_the_passage(conditions)
    created, changed = (f"coalesce(notes.{name}, highlights.{name})" for name in ("created_at_ms", "updated_at_ms"))
    times = Conditions([], [])
    wanted.of_the_times(times, created, changed)
    for condition, value in zip(times.where, times.values, strict=True):
        conditions.add(condition, value)
    wanted.of_the_item(conditions, "searched.item_id", walk=True)
    if wanted.has_note is not None:
        conditions.add("searched.kind <> 'note'")
    joins = "CROSS JOIN searched ON searched.rowid = search.rowid"
    if wanted.is_of_the_passage or times.where:
        joins += " LEFT JOIN highlights ON highlights.id = searched.passage"
    if times.where:
        joins += " LEFT JOIN notes ON notes.id = searched.item_id"
    statement = f"SELECT search.rowid, {conditions} FROM search {joins} WHERE search MATCH ? ORDER BY search.rowid DESC"
    return statement, [*conditions.values, match]
