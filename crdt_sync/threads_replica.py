"""A connection's view of a group's discussions: it follows, and has nothing to send."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from crdt_sync.errors import GapError, RemoteProtocolError
from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync.storage.discussion_file import Came, DiscussionFile
from crdt_sync.worker import Worker

__all__ = ["ThreadsReplica"]


@dataclass(frozen=True, slots=True)
class _Nothing:
    updates: tuple[bytes, ...] = ()
    seq: int = 0
    edits_made: int = 0


class ThreadsReplica:
    """`sync.replica.Replica` over a file of discussions. `came` is awaited after each call that kept something."""

    def __init__(self, worker: Worker, file: DiscussionFile, came: Callable[[Came], Awaitable[None]]) -> None:
        self._worker = worker
        self._file = file
        self._came = came

    async def state_vector(self) -> bytes:
        """Return the document's encoded state vector."""
        return await self._worker.call(self._file.state_vector)

    async def diff(self, state_vector: bytes) -> _Nothing:
        """Return nothing: the relay alone writes, so it lacks nothing that is here."""
        return _Nothing((EMPTY_UPDATE,))

    async def outgoing(self, after_seq: int, not_received_by: str) -> _Nothing | None:
        """Return nothing."""
        return _Nothing()

    async def take(self, updates: Sequence[bytes], received_by: str) -> GapError | RemoteProtocolError | None:
        """Keep updates, durably, up to one that cannot be taken; return why that is."""
        came = await self._worker.call(self._file.take, updates)
        await self._came(came)
        return came.failure

    async def acknowledge(self, edits_made: int) -> None:
        """Do nothing: nothing was sent."""

    async def synced(self) -> None:
        """Do nothing: the file was bound when it was made."""

    def on_rows(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Return what ends it: the log has nothing for the relay."""
        return lambda: None
