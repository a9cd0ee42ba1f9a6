"""Follows the links between items, both ways. A title is looked up when it is asked for, so a renamed note is found."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["Link", "Linking"]

_HERE = "SELECT id FROM {0} WHERE id = ? AND deleted_at_ms IS NULL"
_SOURCE = (
    "SELECT links.item_id, links.link, links.target FROM links "
    "LEFT JOIN notes ON notes.id = links.item_id LEFT JOIN highlights ON highlights.id = links.item_id "
    "WHERE coalesce(highlights.id, notes.id) IS NOT NULL "
    "AND coalesce(highlights.deleted_at_ms, notes.deleted_at_ms) IS NULL"
)


@dataclass(frozen=True, slots=True)
class Link:
    """A link that stands in the item `item_id`, as it is `written` there, and the ids of the items that it leads to.

    A link by title leads to every note of that title: to none, one or several. A link to a place (`osis:Gen.1.1`) leads
    to no item.
    """

    item_id: str
    written: str
    to: tuple[str, ...]

    @property
    def is_place(self) -> bool:
        """True for a link to a place in a text."""
        return self.written.startswith("osis:")

    @property
    def is_dangling(self) -> bool:
        """True if there is nothing where it leads, or only what is in the trash."""
        return not self.to and not self.is_place

    @property
    def is_ambiguous(self) -> bool:
        """True if several notes have the title."""
        return len(self.to) > 1


class Linking:
    """The part of `ReadModel` that follows links."""

    _connection: sqlite3.Connection

    def links(self, item_id: str) -> list[Link]:
        """Return the links in a highlight's comment or a note's text."""
        found = "SELECT item_id, link, target FROM links WHERE item_id = ? ORDER BY link"
        return list(self._resolved(self._connection.execute(found, (item_id,))))

    def backlinks(self, item_id: str, *, limit: int = -1, offset: int = 0) -> list[Link]:
        """Return the links that lead to an item, or with `osis:Gen.1` to a place or what lies in it.

        Those that stand in what is in the trash are left out.
        """
        if item_id.startswith("osis:"):
            where = "links.target >= ? AND links.target < ? AND (links.target = ? OR links.target >= ?)"
            values = [item_id, f"{item_id}/", item_id, f"{item_id}."]
        else:
            title = "SELECT '[[' || title_key || ']]' FROM notes WHERE id = ? AND title_key <> ''"
            where = f"links.target IN (?, ?, ({title}))"
            values = [f"note:{item_id}", f"highlight:{item_id}", item_id]
        statement = f"{_SOURCE} AND {where} ORDER BY links.item_id, links.link LIMIT ? OFFSET ?"
        return list(self._resolved(self._connection.execute(statement, (*values, limit, offset))))

    def dangling_links(self, *, limit: int = -1, offset: int = 0) -> list[Link]:
        """Return the links that lead to nothing, or into the trash, from what is not in the trash itself."""
        dangling = _SOURCE.replace("FROM links", "FROM links INDEXED BY links_dangling")
        statement = f"{dangling} AND links.dangling ORDER BY links.item_id, links.link LIMIT ? OFFSET ?"
        return [Link(item_id, link, ()) for item_id, link, _ in self._connection.execute(statement, (limit, offset))]

    def _resolved(self, rows: Iterable[tuple[str, str, str]]) -> Iterator[Link]:
        for item_id, link, target in rows:
            yield Link(item_id, link, self._leads_to(target))

    def _leads_to(self, target: str) -> tuple[str, ...]:
        if target.startswith("[["):
            titled = "SELECT id FROM notes WHERE title_key = ? AND deleted_at_ms IS NULL ORDER BY created_at_ms, id"
            rows = self._connection.execute(titled, (target[2:-2],))
        else:
            scheme, _, item_id = target.partition(":")
            if scheme == "osis":
                return ()
            rows = self._connection.execute(_HERE.format("notes" if scheme == "note" else "highlights"), (item_id,))
        return tuple(item_id for (item_id,) in rows)
