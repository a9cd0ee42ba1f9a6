"""What is stored of one room: its log, when that is put together, and the account of whose room it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

import anyio.lowlevel

from crdt_sync_server.compaction import SEGMENT_BYTES, Compaction
from crdt_sync_server.errors import RelayError, StoreError
from crdt_sync_server.following import Following
from crdt_sync_server.logs import tell
from crdt_sync_server.quotas import Account
from crdt_sync_server.room_document import RoomDocument

if TYPE_CHECKING:
    from crdt_sync_server.host import Host

__all__ = ["PUT_BACK", "RoomLog"]

PUT_BACK = "the store was put back to an earlier state"

COMPACT_FULL_BYTES_PER_S = 4 * 1024 * 1024
"""A room that is full is compacted before it refuses anything, but it may not keep the relay busy with that."""


class RoomLog:
    """The room's place in the store. All that is written of a room goes through here, in the order of its turns."""

    def __init__(self, name: str, host: Host, document: RoomDocument, compacted: Callable[[], None]) -> None:
        """`compacted` is called each time the log has been put together, or could not be."""
        self._name = name
        self._host = host
        self._document = document
        self._compacted = compacted
        self._compaction = Compaction(name, host.store, host.run_sync)
        self._position = 0
        self._owner: str | None = None
        self._account: Account | None = None
        self._charged_bytes = 0
        self._compact_full_from_s = float("-inf")
        self._following = Following()
        self._ahead = 0  # how many updates were stored here behind one that is not in the document yet

    async def load(self) -> None:
        """Give the room all that is stored of it. Raises `StoreError`, `RoomDeleted` and `RoomBroken`."""
        stored = await self._host.store.load(self._name)
        loaded_bytes = 0
        for update in stored.updates:
            self._document.restore(update)
            loaded_bytes += len(update)
            if loaded_bytes >= SEGMENT_BYTES:  # a cold room must not stop the others
                loaded_bytes = 0
                await anyio.lowlevel.checkpoint()
        self._document.restored()
        self._position = stored.position
        self._following.at(stored.position)
        self._compaction.loaded(stored)
        self._owner = stored.owner

    def entered_by(self, subject: str | None) -> None:
        """Say who came in: a room in which nothing is stored yet will count for the first."""
        if self._owner is None and not self._position:
            self._owner = subject

    async def append(self, update: bytes, updates: int) -> None:
        """Store what a turn has made of `updates` updates; it is durable on return."""
        began_s = self._host.now()
        position = await self._host.store.append(self._name, update, self._owner)
        self._host.changes.changed(self._name, position)
        self._host.metrics.committed(updates, self._host.now() - began_s)
        if (cluster := self._host.cluster) is not None:
            if position <= self._position:
                raise StoreError(PUT_BACK)
            cluster.committed(self._name, position, update)
            if position > self._position + 1:  # others were faster: in the document this comes before theirs
                self._following.told(position, update)
                self._ahead += 1
                return
        self._position = position
        self._grown([update])

    def _grown(self, updates: Sequence[bytes]) -> None:
        for update in updates:
            self._compaction.appended(len(update))
        self.charge(self._charged_bytes + sum(map(len, updates)))

    # What other relays store

    def told(self, position: int, update: bytes | None) -> None:
        """Take note that another relay has stored something at `position`, and of what it is, if that is known."""
        if position > self._position:
            self._following.told(position, update)

    @property
    def is_behind(self) -> bool:
        """True if other relays have stored what is not in the document yet."""
        return self._following.is_ahead(self._position)

    async def follow(self) -> list[bytes]:
        """Return what follows in the log, in order, for the document; the position is behind it then.

        Raises `RoomDeleted`. If the store cannot be asked nothing is returned, and one must be told again.
        """
        if updates := self._following.next(self._position):
            self._position += len(updates)
            self._ahead = 0
            self._grown(updates)
            return updates
        assert self._host.cluster is not None, "nobody else tells"
        try:
            stored = await self._host.cluster.since(self._name, self._position)
        except StoreError as error:
            self._host.metrics.store_failures += 1
            tell("behind", logging.WARNING, room=self._name, reason=str(error))
            self._following.give_up()
            return []
        if stored.position <= self._position:  # one was told of what is not there
            self._following.give_up()
            return []
        self._position = stored.position
        self._ahead = 0
        self._following.at(stored.position)
        if len(stored.updates) == stored.log_length:
            self._grown(stored.updates)
        else:  # with a snapshot, it is all that is stored
            self._compaction.loaded(stored)
            self.charge(self._compaction.stored_bytes)
        return list(stored.updates)

    @property
    def position(self) -> int:
        """The position up to which the document has all updates that are stored, 0 if there are none."""
        return self._position

    @property
    def version(self) -> str:
        """What tells the document's states apart while this relay runs: the position, and what is beyond it."""
        return f"{self._position}+{self._ahead}" if self._ahead else str(self._position)

    # Quotas

    @property
    def is_charged(self) -> bool:
        """True while the owner's account is told from here what is stored."""
        return self._account is not None

    def charge(self, size_bytes: int) -> None:
        """Say to the owner's account that so much is stored of this room now."""
        if self._account is not None:
            self._account.stored_bytes += size_bytes - self._charged_bytes
            self._charged_bytes = size_bytes

    async def make_room(self, size_bytes: int) -> None:
        """Compact before so much more is refused, if that may help."""
        if self._owner is not None and self._account is None:
            self._account = await self._host.accounts.open(self._owner)
            self._charged_bytes = self._document.size_bytes
        if self._account is not None and self._host.cluster is not None:
            await self._host.accounts.refresh(self._account, self._host.now())
        left_bytes = self.left_bytes()
        fits = left_bytes is None or size_bytes <= left_bytes
        if fits and self._document.size_bytes + size_bytes <= self._host.quotas.room_bytes:
            return
        now_s = self._host.now()
        if self._compaction.has_log and not self._compaction.is_under_way and now_s >= self._compact_full_from_s:
            self._compact_full_from_s = now_s + self._document.size_bytes / COMPACT_FULL_BYTES_PER_S
            self.compact()
        await self._compaction.finished()

    def left_bytes(self) -> int | None:
        """Return how much more the owner may store, None if that is not bounded."""
        return self._host.accounts.left_bytes(self._account)

    # Compaction

    @property
    def is_compacting(self) -> bool:
        """True while the log is being put together."""
        return self._compaction.is_under_way

    @property
    def compaction_failure(self) -> RelayError | None:
        """Why the last compaction was not stored, if it was not."""
        return self._compaction.failure

    def is_due(self, *, idle: bool) -> bool:
        """Say whether the log should be put together now."""
        return self._compaction.is_due(idle=idle)

    def compact(self) -> None:
        """Begin to put the log together. The document holds nothing that is not stored: call it between turns."""
        self._host.beside(self._put_together, self._compaction.begin(self._document.whole(), self._position))

    async def compacted(self) -> None:
        """Return once nothing is being put together."""
        await self._compaction.finished()

    def close(self) -> None:
        """End the account's hold."""
        if self._account is not None:
            self._host.accounts.close(self._account)

    async def _put_together(self, put_together: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await put_together()
        self._document.size_bytes = self._compaction.stored_bytes
        self.charge(self._compaction.stored_bytes)
        self._host.metrics.compactions += self._compaction.failure is None
        self._compacted()
