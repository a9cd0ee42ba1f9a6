"""Going back: the part of `Library` that undoes, empties the trash, and keeps versions."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Unpack

from crdt_sync.document import Collection, Highlight, Note
from crdt_sync.document.undoing import Undone
from crdt_sync.errors import InvalidEdit
from crdt_sync.storage.journal import Steps
from crdt_sync.storage.past import Look
from crdt_sync.storage.read_model import Counts, Filters, ReadModel, SearchResult, Sort
from crdt_sync.storage.store import Applied, LibraryStore
from crdt_sync.storage.versions import Version
from crdt_sync.worker import Worker

__all__ = ["AtVersion", "History", "Steps", "Undone", "Version"]


class AtVersion:
    """A library as it was when a version was saved, to read; nothing in it changes. `close` it when done."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def highlight(self, item_id: str) -> Highlight | None:
        """Return a highlight, in the trash or not, or None."""
        return self._read.highlight(item_id)

    def highlights(self, *, sort: Sort = "place", **filters: Unpack[Filters]) -> list[Highlight]:
        """Return highlights and bookmarks, sorted and narrowed down as in `Library.highlights`."""
        return self._read.highlights(sort=sort, **filters)

    def note(self, item_id: str) -> Note | None:
        """Return a note, in the trash or not, or None."""
        return self._read.note(item_id)

    def notes(
        self, *, highlight_id: str | None = None, sort: Sort = "newest", **filters: Unpack[Filters]
    ) -> list[Note]:
        """Return notes, of one highlight or all, as `Library.notes` does."""
        return self._read.notes(highlight_id=highlight_id, sort=sort, **filters)

    def collections(self, *, trashed: bool = False) -> list[Collection]:
        """Return the collections by title."""
        return self._read.collections(trashed=trashed)

    def collection_items(self, collection_id: str) -> list[Highlight | Note]:
        """Return the highlights and notes of a collection in its order, without those in the trash."""
        return self._read.collection_items(collection_id)

    def search(self, text: str, *, limit: int = 50, **filters: Unpack[Filters]) -> SearchResult:
        """Return what holds all the words of `text`, the best first, as `Library.search` does."""
        return self._read.search(text, limit=limit, **filters)

    def counts(self) -> Counts:
        """Return how many items there were."""
        return self._read.counts()

    def close(self) -> None:
        """Let go of it; a second time does nothing."""
        self._look.close()

    def __enter__(self) -> AtVersion:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _read(self) -> ReadModel:
        return self._look.read


class History:
    """What `Library` has for going back."""

    _worker: Worker
    _store: LibraryStore
    _done: Callable[[Callable[[], Applied]], Awaitable[Applied]]

    async def undo(self) -> Undone | None:
        """Take back what this file's last edit did, as an edit; None if there is nothing to take back.

        What others have changed since stays as it is, and is named in `kept`. What was made goes to the trash. A purge
        cannot be undone. Raises `ReadOnlyLibrary` or `StorageError`; then nothing has changed.
        """
        return await self._undo(redo=False)

    async def redo(self) -> Undone | None:
        """Make again what the last undo took back; None if there is nothing, as after any new edit. Else as `undo`."""
        return await self._undo(redo=True)

    async def steps(self) -> Steps:
        """Return how many steps can be undone and redone. One call of `edit` is one step; quick typing is one, too."""
        return await self._worker.call(self._store.steps)

    async def forget_steps(self) -> None:
        """Forget all that could be undone and redone."""
        await self._worker.call(self._store.forget_steps)

    async def trash(self) -> list[Highlight | Note | Collection]:
        """Return what is in the trash, what was put there last first."""

        def trashed(read: ReadModel) -> list[Highlight | Note | Collection]:
            return [*read.highlights(trashed=True), *read.notes(trashed=True), *read.collections(trashed=True)]

        items = await self._worker.call(self._store.query, trashed)
        return sorted(items, key=lambda item: (-(item.deleted_at_ms or 0), item.id))

    async def empty_trash(self, *, older_than: timedelta | None = None) -> tuple[str, ...]:
        """Purge what is in the trash, or has been for so long; return the ids.

        A purge is the one edit that can lose what another device writes into the same item at the same time, so this
        never happens by itself. How long something was there is told by the clock of the device that put it there.
        """
        not_after_ms = None
        if older_than is not None:
            if older_than < timedelta(0):
                raise InvalidEdit("older_than is 0 or more")
            not_after_ms = time.time_ns() // 1_000_000 - older_than // timedelta(milliseconds=1)
        return (await self._done(partial(self._store.empty_trash, not_after_ms))).ids

    async def purge_everywhere(self, *item_ids: str) -> tuple[str, ...]:
        """Purge items, and take them out of every version that has them; return those that were still in the library.

        `purge` alone leaves in the versions what they have.
        """
        return (await self._done(partial(self._store.purge_everywhere, item_ids))).ids

    async def save_version(self, name: str) -> int:
        """Keep the whole library as it is now, in its file; return the version's number.

        Versions stay on this device. Raises `InvalidEdit` if there are 100 already.
        """
        return await self._worker.call(self._store.save_version, name)

    async def versions(self) -> list[Version]:
        """Return the versions, the newest first."""
        return await self._worker.call(self._store.versions)

    async def delete_version(self, version_id: int) -> None:
        """Forget a version. Raises `NotFound`."""
        await self._worker.call(self._store.delete_version, version_id)

    async def at_version(self, version_id: int) -> AtVersion:
        """Return the library as it was, to look at: `with await library.at_version(1) as then: then.highlights()`.

        It is held in memory, with all that it had. Raises `NotFound` and `LibraryDamaged`.
        """
        return AtVersion(await self._worker.call(self._store.look_at, version_id))

    async def restore_version(self, version_id: int) -> tuple[str, ...]:
        """Bring the library back to a version, by an edit that syncs, merges and can be undone; return what it changed.

        What was added since goes to the trash, what was purged is made again, fields and notes get the values they
        had. Raises `NotFound`, `LibraryDamaged` and `ReadOnlyLibrary`.
        """
        return (await self._done(partial(self._store.restore_version, version_id))).ids

    async def _undo(self, *, redo: bool) -> Undone | None:
        undone: Undone | None = None

        def undo() -> Applied:
            nonlocal undone
            applied, undone = self._store.undo(redo=redo)
            return applied

        await self._done(undo)
        return undone
