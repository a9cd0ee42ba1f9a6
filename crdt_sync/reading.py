"""Bookmarks, and where a person reads on each device: the part of `Library` that a reader opens a book with."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

import anyio

from crdt_sync.document import AddHighlight, Anchor, EditHighlight, Highlight
from crdt_sync.document.positions import SAME_PLACE, Jump, JumpReason, ReadingPosition, anchor_of, check_work
from crdt_sync.errors import CrdtSyncError, InvalidEdit
from crdt_sync.storage.places import ReadingDevice
from crdt_sync.storage.read_model import ReadModel
from crdt_sync.storage.reading import WRITE_EVERY_S
from crdt_sync.storage.store import Applied, LibraryStore
from crdt_sync.worker import Worker

__all__ = ["Bookmarks", "Jump", "JumpReason", "Reading", "ReadingDevice", "ReadingPosition"]

logger = logging.getLogger("crdt_sync")

MAX_NAME_CHARACTERS = 100


class Bookmarks:
    """What `Library` has for bookmarks: highlights of the kind `bookmark`, which are trashed and restored as those."""

    _worker: Worker
    _store: LibraryStore
    edit: Callable[..., Awaitable[tuple[str, ...]]]

    async def add_bookmark(
        self, anchor: Anchor, *, title: str = "", tags: Sequence[str] = (), color: str = "yellow"
    ) -> str:
        """Set a bookmark, which is a highlight of the kind `bookmark`; return its id. Its title is its comment."""
        edit = AddHighlight(anchor, color=color, tags=tuple(tags), comment=title, kind="bookmark")
        return (await self.edit(edit))[0]

    async def rename_bookmark(self, bookmark_id: str, title: str) -> None:
        """Give a bookmark another title. Raises `NotFound`."""
        await self.edit(EditHighlight(bookmark_id, comment=title))

    async def bookmarks(self, work: str | None = None) -> list[Highlight]:
        """Return the bookmarks, of a work or all, by place."""

        def read(read_model: ReadModel) -> list[Highlight]:
            return read_model.highlights(kind="bookmark", work=work)

        return await self._worker.call(self._store.query, read)


class Reading:
    """Where each device reads, as `library.reading`. No call here ever moves anybody: `suggestion` is to be asked."""

    def __init__(
        self,
        worker: Worker,
        store: LibraryStore,
        done: Callable[[Callable[[], Applied]], Awaitable[Applied]],
    ) -> None:
        self.write_every_s = WRITE_EVERY_S
        """How often, at most, a place that moves is told the other devices, in seconds."""
        self._worker = worker
        self._store = store
        self._done = done
        self._moved = anyio.Event()

    async def set_position(
        self,
        work: str,
        *,
        anchor: Anchor | None = None,
        source: str | None = None,
        progression: float | None = None,
        start_over: bool = False,
    ) -> ReadingPosition:
        """Note where this device is in a work (`Anchor.work_id`): an anchor, or a source, a progression or both.

        It is durable in the file when this returns; the other devices are told at most once a minute, and when the
        library is closed. The furthest place is kept beside it, unless the person starts over. Raises `InvalidEdit` and
        `StorageError`.
        """
        check_work(work)
        where = anchor_of(source, progression, anchor)
        position = await self._worker.call(lambda: self._store.set_position(work, where, anew=start_over))
        self._moved.set()
        return position

    async def positions(self, work: str) -> list[ReadingPosition]:
        """Return where each device is in a work, the latest first."""
        return await self._worker.call(self._store.positions, work)

    async def suggestion(self, work: str, *, same_place: float = SAME_PLACE) -> Jump | None:
        """Return what to offer to who opens a work here, or None.

        What another device read on after this one comes first; else the furthest place of any, if it lies ahead of
        wherever this device has been. Places whose progression (0 to 1) differs by less than `same_place` are one: a
        work of 1,189 chapters that is told by chapters needs less than a chapter. It is an offer: clocks may be wrong,
        so ask, and `decline` for a no.
        """
        return await self._worker.call(self._store.suggestion, work, same_place)

    async def decline(self, jump: Jump) -> None:
        """Do not offer this place in this work again."""
        await self._worker.call(self._store.decline, jump.position.work, jump.anchor)

    async def devices(self) -> list[ReadingDevice]:
        """Return the devices whose places the library knows, the one that last read first."""
        return await self._worker.call(self._store.reading_devices)

    async def name_device(self, name: str) -> None:
        """Call this device by a name, which others see from its next place on. At first it is the machine's."""
        if not name.strip() or len(name) > MAX_NAME_CHARACTERS or any(0xD800 <= ord(each) < 0xE000 for each in name):
            raise InvalidEdit(f"a device's name has 1 to {MAX_NAME_CHARACTERS} characters")
        await self._worker.call(self._store.name_device, name)

    async def forget_devices(self, *device_ids: str) -> None:
        """Take the places of devices out of the library, for all. One that reads on comes back with its next place."""
        await self._done(lambda: self._store.forget_devices(device_ids))

    async def write(self) -> None:
        """Tell the other devices now where this one is."""
        await self._done(self._store.write_positions)

    async def _keep(self) -> None:
        """Write now and then what has moved, until it is cancelled."""
        while True:
            try:
                due_s = await self._worker.call(self._store.positions_due_s, self.write_every_s)
                if due_s is None:
                    self._moved = anyio.Event()
                    if await self._worker.call(self._store.positions_due_s, self.write_every_s) is None:
                        await self._moved.wait()
                elif due_s > 0:
                    await anyio.sleep(due_s)
                else:
                    await self.write()
            except CrdtSyncError as error:  # the place is in the file, and an edit would say aloud what is wrong
                logger.warning("a reading position was not written into the library: %s", error)
                await anyio.sleep(self.write_every_s)

    async def _leave(self) -> None:
        """Write what has moved, as the library is being closed."""
        try:
            await self.write()
        except CrdtSyncError as error:  # the place is in the file, and goes on from there the next time
            logger.warning("a reading position was not written into the library: %s", error)
