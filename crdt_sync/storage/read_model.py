"""The tables that queries read: a projection of the document, which can be thrown away and built again."""

from __future__ import annotations

import sqlite3

from crdt_sync.document.library_document import LibraryDocument
from crdt_sync.storage.filters import SORTS, Filters, Sort
from crdt_sync.storage.gathering import Gathering
from crdt_sync.storage.linking import Link, Linking
from crdt_sync.storage.overview import ColorCount, Overview, TagCount, Work
from crdt_sync.storage.places import Places
from crdt_sync.storage.projection import PROJECTION, Projection
from crdt_sync.storage.queries import Author, Counts
from crdt_sync.storage.search import Search, SearchHit, SearchResult
from crdt_sync.storage.standing import Row

__all__ = [
    "PROJECTION",
    "SORTS",
    "Author",
    "ColorCount",
    "Counts",
    "Filters",
    "Link",
    "ReadModel",
    "SearchHit",
    "SearchResult",
    "Sort",
    "TagCount",
    "Work",
]


class ReadModel(Projection, Gathering, Search, Overview, Linking):
    """Writes and reads the projection through one connection. The caller holds the transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.places = Places(connection)

    def rebuild(self, document: LibraryDocument) -> None:
        """Throw the projection away and make it again from the document."""
        super().rebuild(document)
        self.places.rebuild(document)

    def content(self) -> dict[str, list[Row]]:
        """Return all that is projected, by the name of what it is, in a fixed order, to compare."""
        return {**super().content(), "positions": self.places.content()}

    def trashed_ids(self, not_after_ms: int | None = None) -> list[str]:
        """Return the items in the trash, or those put there at a time or before, in milliseconds since 1970."""
        bound = 2**53 if not_after_ms is None else not_after_ms
        tables = ("highlights", "notes", "collections")
        query = " UNION ALL ".join(f"SELECT id FROM {table} WHERE deleted_at_ms <= ?1" for table in tables)
        return [item_id for (item_id,) in self._connection.execute(f"{query} ORDER BY id", (bound,))]
