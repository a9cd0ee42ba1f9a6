"""What can be asked of a library: the part of `Library` that reads. The answers come from its file's tables."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar, Unpack

from crdt_sync.document import Collection, Highlight, Note
from crdt_sync.storage.read_model import (
    ColorCount,
    Counts,
    Filters,
    Link,
    ReadModel,
    SearchHit,
    SearchResult,
    Sort,
    TagCount,
    Work,
)
from crdt_sync.storage.store import LibraryStore
from crdt_sync.worker import Worker

__all__ = [
    "ColorCount",
    "Counts",
    "Filters",
    "Link",
    "Queries",
    "SearchHit",
    "SearchResult",
    "Sort",
    "TagCount",
    "Work",
]

Result = TypeVar("Result")


class Queries:
    """What `Library` has to be asked. No query loads the document."""

    _worker: Worker
    _store: LibraryStore

    # Items

    async def highlight(self, item_id: str) -> Highlight | None:
        """Return a highlight or bookmark, in the trash or not, or None."""
        return await self._query(lambda read: read.highlight(item_id))

    async def highlights(
        self, *, sort: Sort = "place", limit: int = -1, offset: int = 0, **filters: Unpack[Filters]
    ) -> list[Highlight]:
        """Return highlights and bookmarks: `within="Gen.1"` gives those of the chapter; `Filters` says what else.

        They are sorted by their `place`, works one after the other and verses in canonical order, or the `newest` or
        the last `changed` first. Raises `InvalidEdit` for a kind or an order that there is none of.
        """
        return await self._query(partial(ReadModel.highlights, sort=sort, limit=limit, offset=offset, **filters))

    async def note(self, item_id: str) -> Note | None:
        """Return a note, in the trash or not, or None."""
        return await self._query(lambda read: read.note(item_id))

    async def notes(
        self,
        *,
        highlight_id: str | None = None,
        sort: Sort = "newest",
        limit: int = -1,
        offset: int = 0,
        **filters: Unpack[Filters],
    ) -> list[Note]:
        """Return notes, of one highlight or all; `sort` and `Filters` are as for `highlights`.

        A note has the place, work and colour of its highlight; free notes come first.
        """
        return await self._query(
            partial(ReadModel.notes, highlight_id=highlight_id, sort=sort, limit=limit, offset=offset, **filters)
        )

    async def search(self, text: str, *, limit: int = 50, offset: int = 0, **filters: Unpack[Filters]) -> SearchResult:
        """Return what holds all the words of `text`, the best first, narrowed down by `Filters`.

        It looks in quotes, comments, headings, tags, and the titles and texts of notes. "Words in quotes" are a phrase,
        -word must not be there, the last word may be unfinished; case and accents do not count. Any text is a query.
        `SearchResult.is_complete` is False where so many hold the words that not all of them were ranked.
        """
        return await self._query(partial(ReadModel.search, text=text, limit=limit, offset=offset, **filters))

    async def ids_starting_with(self, start: str) -> list[str]:
        """Return up to ten ids, of highlights, notes and collections, that begin like this."""
        return await self._query(lambda read: read.ids_starting_with(start))

    # Overviews

    async def counts(self) -> Counts:
        """Return how many highlights and notes there are."""
        return await self._query(lambda read: read.counts())

    async def works(self) -> list[Work]:
        """Return the works that have highlights, each with their number, the one with the latest change first."""
        return await self._query(lambda read: read.works())

    async def tags(self) -> list[TagCount]:
        """Return the tags with the number of items that have them, the commonest first."""
        return await self._query(lambda read: read.tags())

    async def colors(self) -> list[ColorCount]:
        """Return the colours with the number of highlights that have them, the commonest first."""
        return await self._query(lambda read: read.colors())

    # Collections and links

    async def collection(self, collection_id: str) -> Collection | None:
        """Return a collection, in the trash or not, or None."""
        return await self._query(lambda read: read.collection(collection_id))

    async def collections(self, *, holding: str | None = None, trashed: bool = False) -> list[Collection]:
        """Return the collections by title, all or those that hold an item."""
        return await self._query(lambda read: read.collections(holding=holding, trashed=trashed))

    async def collection_items(self, collection_id: str, *, limit: int = -1, offset: int = 0) -> list[Highlight | Note]:
        """Return the highlights and notes of a collection in its order, without those in the trash."""
        return await self._query(lambda read: read.collection_items(collection_id, limit=limit, offset=offset))

    async def collection_size(self, collection_id: str) -> int:
        """Return how many highlights and notes a collection shows."""
        return await self._query(lambda read: read.collection_size(collection_id))

    async def links(self, item_id: str) -> list[Link]:
        """Return the links in a highlight's comment or a note's text: `note:<id>`, `osis:Gen.1.1`, `[[Title]]`."""
        return await self._query(lambda read: read.links(item_id))

    async def backlinks(self, item_id: str, *, limit: int = -1, offset: int = 0) -> list[Link]:
        """Return the links that lead to a highlight or note, or with `osis:Gen.1` to a place or what lies in it."""
        return await self._query(lambda read: read.backlinks(item_id, limit=limit, offset=offset))

    async def dangling_links(self, *, limit: int = -1, offset: int = 0) -> list[Link]:
        """Return the links that lead to nothing, or to what is in the trash."""
        return await self._query(lambda read: read.dangling_links(limit=limit, offset=offset))

    async def _query(self, read: Callable[[ReadModel], Result]) -> Result:
        return await self._worker.call(self._store.query, read)
