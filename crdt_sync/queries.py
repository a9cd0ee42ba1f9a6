"""What can be asked of a library: the part of `Library` that reads. The answers come from its file's tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from crdt_sync.document import Highlight, Note
from crdt_sync.storage.read_model import Counts, ReadModel, SearchHit
from crdt_sync.storage.store import LibraryStore
from crdt_sync.worker import Worker

__all__ = ["Queries"]

Result = TypeVar("Result")


class Queries:
    """What `Library` has to be asked."""

    _worker: Worker
    _store: LibraryStore

    async def highlight(self, item_id: str) -> Highlight | None:
        """Return a highlight, in the trash or not, or None."""
        return await self._query(lambda read: read.highlight(item_id))

    async def highlights(
        self,
        *,
        work: str | None = None,
        within: str | None = None,
        color: str | None = None,
        tag: str | None = None,
        trashed: bool = False,
        limit: int = -1,
    ) -> list[Highlight]:
        """Return highlights by place; `within="Gen.1"` gives those of the chapter."""
        return await self._query(
            lambda read: read.highlights(work=work, within=within, color=color, tag=tag, trashed=trashed, limit=limit)
        )

    async def note(self, item_id: str) -> Note | None:
        """Return a note, in the trash or not, or None."""
        return await self._query(lambda read: read.note(item_id))

    async def notes(self, *, highlight_id: str | None = None, trashed: bool = False, limit: int = -1) -> list[Note]:
        """Return notes, the newest first, of one highlight or all."""
        return await self._query(lambda read: read.notes(highlight_id=highlight_id, trashed=trashed, limit=limit))

    async def search(self, text: str, *, limit: int = 50) -> list[SearchHit]:
        """Return what holds all the words of `text`, the best first."""
        return await self._query(lambda read: read.search(text, limit=limit))

    async def ids_starting_with(self, start: str) -> list[str]:
        """Return up to ten ids, of highlights and notes, that begin like this."""
        return await self._query(lambda read: read.ids_starting_with(start))

    async def counts(self) -> Counts:
        """Return how many items there are."""
        return await self._query(lambda read: read.counts())

    async def _query(self, read: Callable[[ReadModel], Result]) -> Result:
        return await self._worker.call(self._store.query, read)
