"""A connection's view of a library's file: the calls go to the worker's thread, and news comes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from crdt_sync.errors import GapError, RemoteProtocolError
from crdt_sync.storage.binding import Binding
from crdt_sync.storage.store import Applied, LibraryStore, Outgoing
from crdt_sync.worker import Worker

__all__ = ["StoreReplica"]


class StoreReplica:
    """`sync.replica.Replica` over a store. `applied` is awaited after each call that changed something."""

    def __init__(
        self,
        worker: Worker,
        store: LibraryStore,
        binding: Binding,
        applied: Callable[[Applied], Awaitable[None]],
    ) -> None:
        self._worker = worker
        self._store = store
        self._binding = binding
        self._applied = applied
        self._callbacks: list[Callable[[], None]] = []

    def on_rows(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` called whenever the log has grown; return what ends that."""
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    def rows(self) -> None:
        """Say that the log has grown."""
        for callback in list(self._callbacks):
            callback()

    async def state_vector(self) -> bytes:
        """Return the document's encoded state vector."""
        return await self._worker.call(self._store.state_vector)

    async def diff(self, state_vector: bytes) -> Outgoing:
        """Return what a peer at `state_vector` lacks."""
        return await self._worker.call(partial(self._store.diff, state_vector, for_partner=True))

    async def outgoing(self, after_seq: int, not_received_by: str) -> Outgoing | None:
        """Return the log after `after_seq` without what that connection brought, or None if it was compacted away."""
        return await self._worker.call(self._store.outgoing, after_seq, not_received_by)

    async def take(self, updates: Sequence[bytes], received_by: str) -> GapError | RemoteProtocolError | None:
        """Apply updates, durably, up to one that cannot be taken; return why that is."""
        applied = await self._worker.call(self._store.apply_updates, updates, received_by)
        await self._applied(applied)
        return applied.failure

    async def acknowledge(self, edits_made: int) -> None:
        """Keep that the first `edits_made` edits are durable on the relay."""
        await self._worker.call(self._store.acknowledge, edits_made)
        await self._applied(Applied())

    async def synced(self) -> None:
        """Bind the file: a sync with this relay and room was completed. It may have brought what a repair waits for."""
        await self._worker.call(self._store.bind, self._binding)
        applied = await self._worker.call(self._store.take_waiting)
        if applied.appended:
            await self._applied(applied)
