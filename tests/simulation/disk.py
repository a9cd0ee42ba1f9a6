"""What the relays' processes share: one disk, on which every store can be slow and fail, and what must hold on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import anyio
from pycrdt import Doc

from crdt_sync.testing.state import state_of
from crdt_sync_server.errors import StoreError, Superseded
from crdt_sync_server.ports import Heads, Notice, RoomRecord, Stored
from crdt_sync_server.stores.memory import MemoryStore
from tests.simulation.truth import Durable, PolledStreams

__all__ = ["ROOM", "Disk", "DiskStore"]

ROOM = "ada"
MOST_ASKED_PER_S = 60
"""By one relay of a disk that cannot be read. What another relay tells is a reason to ask."""


class Disk:
    """What survives the relays' processes, and how the next operations on it go."""

    def __init__(self, random: Random, note: Callable[..., None]) -> None:
        self.random = random
        self.note = note
        self.log = MemoryStore()
        self.durable = Durable()
        self.streams = PolledStreams(self.durable)
        self.faults: list[str] = []
        """What the next operations do: fail `before` or `after` they have taken effect."""
        self.unread_until_s = 0.0
        """Until then whatever relays ask that follow fails."""
        self.latency_s = 0.003
        self.superseded = 0
        """How many snapshots came after a later one."""

    async def check_log(self) -> None:
        """Fail if what a restart would load is not all that was ever committed."""
        doc: Doc[Any] = Doc()
        for update in (await self.log.load(ROOM)).updates:
            doc.apply_update(update)
        lacking = state_of(doc.get_update()).lacks(self.durable.state)
        assert lacking is None, f"the log has lost what was durable: {lacking}"


class DiskStore:
    """`ports.SharedStore`, as one process has it open. Nothing that a dead process had begun takes effect.

    `has_followed` says up to which position this process has the room in its document.
    """

    def __init__(self, disk: Disk, node: str, has_followed: Callable[[], int]) -> None:
        self._disk = disk
        self._log = disk.log.beside(node)
        self._has_followed = has_followed
        self.dead = False
        self._failed_s: list[float] = []  # when it was asked for nothing, in the last second

    @property
    def node(self) -> str:
        """The id of who has opened it here."""
        return self._log.node

    @property
    def noticed(self) -> Callable[[int], None]:
        """Called with the number of each notice that was written here."""
        return self._log.noticed

    @noticed.setter
    def noticed(self, function: Callable[[int], None]) -> None:
        self._log.noticed = function

    async def load(self, room: str) -> Stored:
        fault = await self._begin("load")
        if fault is not None:
            raise StoreError("the disk cannot be read")
        stored = await self._log.load(room)
        await self._wait()
        return stored

    async def append(self, room: str, update: bytes, owner: str | None = None) -> int:
        fault = await self._begin("append", len(update))
        if fault == "before":
            raise StoreError("the disk is full")
        position = await self._log.append(room, update, owner)
        self._disk.durable.add(update, self._has_followed())
        self._disk.note("durable", position)
        await self._wait()
        if fault == "after":
            raise StoreError("the disk has gone away")
        return position

    async def compact(self, room: str, segments: Sequence[bytes], through: int) -> None:
        fault = await self._begin("compact", through)
        if fault == "before":
            raise StoreError("the disk is full")
        try:
            await self._log.compact(room, segments, through)
        except Superseded:
            self._disk.superseded += 1
            raise
        await self._disk.check_log()
        await self._wait()
        if fault == "after":
            raise StoreError("the disk has gone away")

    async def delete(self, room: str) -> None:
        fault = await self._begin("delete", room)
        if fault == "before":
            raise StoreError("the disk is full")
        await self._log.delete(room)
        await self._wait()
        if fault == "after":
            raise StoreError("the disk has gone away")

    async def rooms(self, name: str | None = None) -> Sequence[RoomRecord]:
        await self._ask("rooms")
        return await self._log.rooms(name)

    async def since(self, room: str, after: int) -> Stored:
        await self._ask("since", after)
        stored = await self._log.since(room, after)
        await self._wait()
        return stored

    async def heads(self, rooms: Sequence[str]) -> Heads:
        await self._ask("heads", *rooms)
        heads = await self._log.heads(rooms)
        await self._wait()
        return heads

    async def notices(self, after: int) -> Sequence[Notice]:
        await self._ask("notices", after)
        notices = await self._log.notices(after)
        await self._wait()
        return notices

    async def check(self) -> None:
        await self._begin("check")

    async def close(self) -> None:
        return

    async def _begin(self, *what: object) -> str | None:
        self._disk.note("disk", *what)
        await self._wait()
        return self._disk.faults.pop(0) if self._disk.faults else None

    async def _ask(self, *what: object) -> None:
        self._disk.note("disk", self.node, *what)
        await self._wait()
        now_s = anyio.current_time()
        if now_s < self._disk.unread_until_s:
            self._failed_s = [each for each in self._failed_s if each > now_s - 1] + [now_s]
            assert len(self._failed_s) <= MOST_ASKED_PER_S, "a disk that cannot be read is asked again and again"
            raise StoreError("the disk cannot be read")

    async def _wait(self) -> None:
        await anyio.sleep(self._disk.latency_s * self._disk.random.random())
        if self.dead:
            await anyio.sleep_forever()
