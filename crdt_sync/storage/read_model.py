"""The tables that queries read: a projection of the document, which can be thrown away and built again."""

from __future__ import annotations

import sqlite3

from crdt_sync.storage.filters import SORTS, Filters, Sort
from crdt_sync.storage.gathering import Gathering
from crdt_sync.storage.linking import Link, Linking
from crdt_sync.storage.overview import ColorCount, Overview, TagCount, Work
from crdt_sync.storage.projection import PROJECTION, Projection
from crdt_sync.storage.queries import Author, Counts
from crdt_sync.storage.search import Search, SearchHit, SearchResult

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
