"""When and how a room's log is put together: beside the room's turns, so that nobody waits for it.

A snapshot is the document as of one position. What is committed while it is made and stored follows it in the log, so
turns go on meanwhile; a crash at any moment leaves the old log or the new snapshot, and both say the same.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio

from crdt_sync.protocol.split import split_update
from crdt_sync_server.errors import RoomDeleted, StoreError, Superseded
from crdt_sync_server.logs import tell
from crdt_sync_server.ports import Store, Stored

__all__ = ["Compaction"]

SEGMENT_BYTES = 1024 * 1024
"""A snapshot is stored in segments of this size, and a cold room is loaded with a yield after each."""
AFTER_UPDATES = 500
AFTER_BYTES = 1024 * 1024
MOST_UPDATES = 20_000
"""A log of so many updates is put together however small it is: each costs time when the room is loaded."""
IDLE_AFTER_UPDATES = 20


class Compaction:
    """Counts the log of one room, and puts it together when that is due; one at a time."""

    def __init__(self, room: str, store: Store, run_sync: Callable[..., Awaitable[Any]]) -> None:
        self._room = room
        self._store = store
        self._run_sync = run_sync
        self._log_length = 0
        self._log_bytes = 0
        self._snapshot_bytes = 0
        self._ended: anyio.Event | None = None  # set while one is under way
        self.failure: StoreError | None = None
        """Why the last one was not stored, if it was not."""

    @property
    def is_under_way(self) -> bool:
        """True while a snapshot is made or stored."""
        return self._ended is not None

    @property
    def has_log(self) -> bool:
        """True if there is something to put together."""
        return self._log_length > 0

    @property
    def stored_bytes(self) -> int:
        """How many bytes the snapshot and the log have."""
        return self._snapshot_bytes + self._log_bytes

    def loaded(self, stored: Stored) -> None:
        """Say what the store holds."""
        sizes = [len(update) for update in stored.updates]
        first = len(sizes) - stored.log_length
        self._log_length = stored.log_length
        self._snapshot_bytes, self._log_bytes = sum(sizes[:first]), sum(sizes[first:])

    def appended(self, size_bytes: int) -> None:
        """Say that an update was stored."""
        self._log_length += 1
        self._log_bytes += size_bytes

    def is_due(self, *, idle: bool) -> bool:
        """Say whether the log should be put together now: while the room is used only once it has doubled."""
        if self._ended is not None:
            return False
        if idle:
            return self._log_length >= IDLE_AFTER_UPDATES
        doubled = self._log_bytes >= max(self._snapshot_bytes, AFTER_BYTES)
        return self._log_length >= MOST_UPDATES or (self._log_length >= AFTER_UPDATES and doubled)

    def begin(self, whole: bytes, position: int) -> Callable[[], Coroutine[Any, Any, None]]:
        """Begin to put `whole`, the document as of `position`, in the log's place up to there; run what it returns."""
        self._ended = anyio.Event()
        self.failure = None
        length, before_bytes = self._log_length, self.stored_bytes
        self._log_length = self._log_bytes = 0  # what is stored from now on follows the snapshot
        self._snapshot_bytes = len(whole)

        async def put_together() -> None:
            assert self._ended is not None
            try:
                segments = await self._run_sync(split_update, whole, SEGMENT_BYTES)
                await self._store.compact(self._room, segments, position)
            except Superseded as error:  # another relay was faster
                tell("not compacted", room=self._room, reason=str(error))
            except StoreError as error:  # the log is still whole; it is tried again once it has grown as much again
                tell("not compacted", logging.WARNING, room=self._room, reason=str(error))
                self._snapshot_bytes = before_bytes
                self.failure = error
            except RoomDeleted:  # the room finds the same, and ends
                self._snapshot_bytes = self._log_bytes = 0
            else:
                tell("compact", room=self._room, updates=length, bytes=len(whole))
            finally:
                self._ended.set()
                self._ended = None

        return put_together

    async def finished(self) -> None:
        """Return once none is under way."""
        if self._ended is not None:
            await self._ended.wait()
