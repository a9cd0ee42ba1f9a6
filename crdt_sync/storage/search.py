"""Full-text search: what holds a person's words, the best first, and never more work than an answer may take."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, Unpack

from crdt_sync.storage.filters import FEW, MANY, Conditions, Filters, ItemFilter, Narrowing, Rows
from crdt_sync.storage.queries import Queries
from crdt_sync.storage.words import ELLIPSIS, OFF, ON, Query, shown, whole

__all__ = ["Search", "SearchHit", "SearchResult"]

RANKED = 1_000
"""So many are ranked, the newest: SQLite would take 140 ms to rank all 110,000 that hold the commonest word."""
LOOKED_AT = 10_000
"""So many that hold the words are held against the filter, the newest."""
WALKED = 15_000
"""So many are if it is known which few pass, as that takes no look at their rows."""
WEIGHTS = (8.0, 4.0, 3.0, 3.0, 6.0, 2.0)
"""What a word counts in title, quote, text, comment, tags and heading."""
SNIPPET_WORDS = 16
SHOWN = 200
"""So many snippets are made sooner than the words are looked for again, which an unfinished one makes dear."""

_RANK = f"bm25(search, {', '.join(map(str, WEIGHTS))})"
_SNIPPET = f"snippet(search, -1, '{ON}', '{OFF}', '{ELLIPSIS}', {SNIPPET_WORDS})"
_Found: TypeAlias = tuple[float, int, str | None]
"""Rank, the negative number of the row, and the snippet if it is there already."""


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
        page = {-number: snippet for _, number, snippet in sorted(found)[offset:end]}
        if None in page.values():
            page.update(self._snippets(match, list(page)))
        return SearchResult(tuple(self._hits(page)), is_complete)

    def _found(self, match: str, wanted: ItemFilter) -> tuple[list[_Found], bool]:
        """Return the newest that pass the filter, and whether those are all of them."""
        passes = _passes(wanted)
        if passes is None:
            return [], True
        where, among, most, last = Conditions(["search MATCH ?"], [match]), None, LOOKED_AT, None
        snippet = "NULL"
        if wanted.asks:
            among, number = self._narrowed(where, wanted)
            most = LOOKED_AT if among is None else WALKED
            snippet = _SNIPPET if number <= SHOWN else snippet
            beyond = f"SELECT rowid FROM search WHERE {where} ORDER BY rowid DESC LIMIT 1 OFFSET ?"
            last = self._connection.execute(beyond, (*where.values, most)).fetchone()
        if last is not None:
            where.add("rowid > ?", *last)
        if among is not None:
            where.take(among)
        where.take(passes)
        statement = f"SELECT {_RANK}, -rowid, {snippet} FROM search WHERE {where} ORDER BY rowid DESC LIMIT ?"
        rows: list[_Found] = self._connection.execute(statement, (*where.values, RANKED + 1)).fetchall()
        return rows[:RANKED], last is None and len(rows) <= RANKED

    def _narrowed(self, where: Conditions, wanted: ItemFilter) -> tuple[Conditions | None, int]:
        """Keep to the rows between which an index says that the filter lets some pass; return which, if they are few.

        Rows are numbered as they are made: those of a day lie together.
        """
        narrowings = wanted.narrowings()
        for tag in wanted.tags:
            if phrase := whole(tag):
                tagged = Rows("search", "FROM search WHERE search MATCH ?", [f"tags : {phrase}"])
                narrowings.append(Narrowing((tagged,), MANY))
        best, fewest = None, FEW + 1
        for each in narrowings:
            if any(self._are_more(rows, each.most) for rows in each.rows):
                continue
            bounds = [
                self._connection.execute(rows.select("count(*)", "min({0})", "max({0})"), rows.values).fetchone()
                for rows in each.rows
            ]
            there = [(first, last) for number, first, last in bounds if number]
            where.add("rowid BETWEEN ? AND ?", *(min(there)[0], max(last for _, last in there)) if there else (0, -1))
            if (number := sum(number for number, _, _ in bounds)) < fewest:
                best, fewest = each, number
        if best is None:
            return None, fewest
        return Conditions([f"+rowid IN ({best.select})"], best.values), fewest

    def _snippets(self, match: str, page: list[int]) -> dict[int, str]:
        """Return the snippets of a page. One walk begins the query once; a look at each row would begin it for each."""
        rows = self._connection.execute(
            f"SELECT rowid, {_SNIPPET} FROM search "
            "WHERE search MATCH ? AND rowid BETWEEN ? AND ? AND +rowid IN (SELECT value FROM json_each(?))",
            (match, min(page), max(page), json.dumps(page)),
        )
        return dict(rows.fetchall())

    def _hits(self, page: Mapping[int, str | None]) -> Iterator[SearchHit]:
        of = "SELECT id, kind FROM highlights WHERE row = ?1 UNION ALL SELECT id, 'note' FROM notes WHERE row = ?1"
        for number, snippet in page.items():
            item_id, kind = self._connection.execute(of, (number,)).fetchone()
            yield SearchHit(item_id, kind, shown(snippet or ""))


def _passes(wanted: ItemFilter) -> Conditions | None:
    """Return the condition that a row which holds the words passes the filter; None if none can."""
    trash = " UNION ALL ".join(
        f"SELECT row FROM {table} WHERE deleted_at_ms IS NOT NULL" for table in ("highlights", "notes")
    )
    passes = Conditions([f"+rowid {'' if wanted.trashed else 'NOT '}IN ({trash})"])
    of_highlights, of_notes = wanted.of_highlights(walk=True), wanted.of_notes(walk=True)
    if of_highlights is not None and not of_highlights.where:
        return passes  # then all that is asked of is the trash
    if of_highlights is None and of_notes is not None and not of_notes.where:
        return Conditions(["+rowid IN (SELECT row FROM notes)", *passes.where])
    arms = Conditions()
    if of_highlights is not None:
        arms.add(f"(SELECT {of_highlights} FROM highlights WHERE row = search.rowid)", *of_highlights.values)
    if of_notes is not None:
        join = "LEFT JOIN highlights ON highlights.id = notes.highlight_id " * wanted.is_of_the_passage
        arms.add(f"(SELECT {of_notes} FROM notes {join}WHERE notes.row = search.rowid)", *of_notes.values)
    if not arms.where:
        return None
    # a row is a highlight's or a note's; the second is not asked where the first has answered
    asked = Conditions([f"coalesce({', '.join((*arms.where, 'NULL'))})"], arms.values)
    asked.take(passes)
    return asked
