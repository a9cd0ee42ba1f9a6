"""Full-text search: what holds a person's words, the best first, and never more work than an answer may take."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Unpack

from crdt_sync.storage.filters import Conditions, Filters, ItemFilter
from crdt_sync.storage.queries import Queries
from crdt_sync.storage.words import ELLIPSIS, OFF, ON, Query, shown

__all__ = ["Search", "SearchHit", "SearchResult"]

RANKED = 1_000
"""So many are ranked, the newest: SQLite would take 140 ms to rank all 110,000 that hold the commonest word."""
LOOKED_AT = 10_000
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


class Search(Queries):
    """The part of `ReadModel` that searches."""

    def search(self, text: str, *, limit: int = 50, offset: int = 0, **filters: Unpack[Filters]) -> SearchResult:
        """Return what holds all the words of `text`, the best first.

        "Words in quotes" are a phrase, -word must not be there, and the last word may be unfinished. Case and accents
        do not count, and any text is a query.
        """
        match, wanted = Query.of(text).match, ItemFilter(**filters)
        if not match:
            return SearchResult(())
        found, is_complete = self._found(match, wanted)
        end = len(found) if limit < 0 else offset + limit
        page = [-rowid for _, rowid in sorted(found)[offset:end]]
        return SearchResult(tuple(self._hits(match, page)), is_complete)

    def _found(self, match: str, wanted: ItemFilter) -> tuple[list[tuple[float, int]], bool]:
        """Return rank and negative row number of the newest that pass the filter, and whether those are all of them."""
        found: list[tuple[float, int]] = []
        rows = self._connection.execute(*_matching(match, wanted, walk=self._have_many(wanted.tags)))
        for looked_at, (rowid, rank) in enumerate(rows):
            if looked_at == LOOKED_AT or len(found) == RANKED:
                rows.close()
                return found, False
            if rank is not None:
                found.append((rank, -rowid))
        return found, True

    def _hits(self, match: str, page: list[int]) -> Iterator[SearchHit]:
        """Yield the hits of a page. One walk begins the query once; a look at each row would begin it for each."""
        if not page:
            return
        snippet = f"snippet(search, -1, '{ON}', '{OFF}', '{ELLIPSIS}', {SNIPPET_WORDS})"
        rows = self._connection.execute(
            f"SELECT rowid, CASE WHEN rowid IN (SELECT value FROM json_each(?)) THEN {snippet} END FROM search "
            "WHERE search MATCH ? AND rowid BETWEEN ? AND ?",
            (json.dumps(page), match, min(page), max(page)),
        )
        snippets = dict(rows.fetchall())
        for rowid in page:
            of = "SELECT item_id, kind FROM searched WHERE rowid = ?"
            item_id, kind = self._connection.execute(of, (rowid,)).fetchone()
            yield SearchHit(item_id, kind, shown(snippets[rowid]))


def _matching(match: str, wanted: ItemFilter, *, walk: bool) -> tuple[str, list[Any]]:
    """Return the statement that gives each row with the words, the newest first, and its rank if the filter lets it."""
    narrow = Conditions(["1"], [])
    passage = Conditions([], [])
    wanted.of_the_passage(passage)
    if wanted.within is not None:
        ids = f"SELECT id FROM highlights WHERE {passage}"
        notes = f"SELECT notes.id FROM highlights CROSS JOIN notes ON highlight_id = highlights.id WHERE {passage}"
        narrow.add(_ROWS.format(f"{ids} UNION ALL {notes}"), *passage.values, *passage.values)
    if not walk:
        for tag in wanted.tags:
            narrow.add(_ROWS.format("SELECT item_id FROM tags WHERE tag = ?"), tag)
    conditions = Conditions(["searched.rowid = search.rowid", "searched.trashed = ?"], [int(wanted.trashed)])
    if wanted.kind is not None:
        conditions.add("searched.kind = ?", wanted.kind)
    if wanted.has_note is not None:
        conditions.add("searched.kind <> 'note'")
    if passage.where and wanted.within is None:
        conditions.add(str(passage), *passage.values)
    created, changed = (f"coalesce(notes.{name}, highlights.{name})" for name in ("created_at_ms", "updated_at_ms"))
    wanted.of_the_times(conditions, created, changed)
    wanted.of_the_item(conditions, "searched.item_id", walk=True)
    of_notes, of_highlights = ("notes." in str(conditions), "highlights." in str(conditions))
    joins = " LEFT JOIN highlights ON highlights.id = searched.passage" * of_highlights
    joins += " LEFT JOIN notes ON notes.id = searched.item_id" * of_notes
    passes = f"{narrow} AND EXISTS (SELECT 1 FROM searched{joins} WHERE {conditions})"
    rank = f"CASE WHEN {passes} THEN bm25(search, {', '.join(map(str, WEIGHTS))}) END"
    statement = f"SELECT rowid, {rank} FROM search WHERE search MATCH ? ORDER BY rowid DESC"
    return statement, [*narrow.values, *conditions.values, match]


_ROWS = "search.rowid IN (SELECT rowid FROM searched WHERE item_id IN ({0}))"
"""What few items can pass is looked up once, and not at each row that has the words: that reads a page of the file."""
