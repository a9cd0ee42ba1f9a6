"""Reads collections, and what is in them, from the tables."""

from __future__ import annotations

from crdt_sync.document.values import Collection, Highlight, Note
from crdt_sync.storage.queries import Queries

__all__ = ["Gathering"]

_SHOWN = (
    "FROM members LEFT JOIN highlights ON highlights.id = item_id "
    "LEFT JOIN notes ON notes.id = item_id AND highlights.id IS NULL WHERE collection_id = ? "
    "AND coalesce(highlights.id, notes.id) IS NOT NULL "
    "AND coalesce(highlights.deleted_at_ms, notes.deleted_at_ms) IS NULL"
)
"""What of a collection is shown: an item in the trash keeps its place in it, for when it is restored."""


class Gathering(Queries):
    """The part of `ReadModel` that reads collections."""

    def collection(self, item_id: str) -> Collection | None:
        """Return a collection, in the trash or not, or None."""
        return next(self._read_collections("WHERE id = ?", [item_id]), None)

    def collections(self, *, holding: str | None = None, trashed: bool = False) -> list[Collection]:
        """Return the collections by title, all or those that hold an item."""
        where, values = f"deleted_at_ms IS {'NOT ' * trashed}NULL", []
        if holding is not None:
            where += " AND id IN (SELECT collection_id FROM members WHERE item_id = ?)"
            values.append(holding)
        found = self._read_collections(f"WHERE {where}", values)
        return sorted(found, key=lambda each: (each.title.casefold(), each.id))

    def collection_items(self, collection_id: str, *, limit: int = -1, offset: int = 0) -> list[Highlight | Note]:
        """Return the highlights and notes of a collection, in its order, without those in the trash."""
        rows = self._connection.execute(
            f"SELECT item_id {_SHOWN} ORDER BY order_key, item_id LIMIT ? OFFSET ?", (collection_id, limit, offset)
        ).fetchall()
        return [item for (item_id,) in rows if (item := self.item(item_id)) is not None]

    def collection_size(self, collection_id: str) -> int:
        """Return how many highlights and notes a collection shows."""
        (size,) = self._connection.execute(f"SELECT count(*) {_SHOWN}", (collection_id,)).fetchone()
        return int(size)
