"""The contract of `Store`: the durable log of each room of a relay (`crdt_sync_server.ports`)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import anyio
import anyio.lowlevel

from crdt_sync.errors import CrdtSyncError

__all__ = ["Store", "StoreContract", "Stored"]


class Stored(Protocol):
    """What a store holds of a room."""

    @property
    def updates(self) -> Sequence[bytes]:
        """All updates in commit order; the first may be a snapshot's segments."""

    @property
    def position(self) -> int:
        """The position of the last update, 0 for an unknown room."""

    @property
    def log_length(self) -> int:
        """How many updates follow the snapshot."""


class Store(Protocol):
    """The port, as the contract needs it; `crdt_sync_server.ports.Store` says more."""

    async def load(self, room: str) -> Stored:
        """Return all that is stored of `room`."""

    async def append(self, room: str, update: bytes) -> int:
        """Store `update` and return its position, once it is durable."""

    async def compact(self, room: str, segments: Sequence[bytes], through: int) -> None:
        """Put `segments` in the place of all updates up to the position `through`."""

    async def check(self) -> None:
        """Return if the store can write now."""


class StoreContract:
    """The rules of `Store`. A store without `keeps` forgets with its process."""

    keeps = True

    def opened(self, folder: Path) -> AbstractAsyncContextManager[Store]:
        """Return a block in which the store of `folder` is open."""
        raise NotImplementedError

    async def test_an_unknown_room_is_empty(self, tmp_path: Path) -> None:
        """No updates, position 0."""
        async with self.opened(tmp_path) as store:
            stored = await store.load("nobody was here")
            assert (list(stored.updates), stored.position, stored.log_length) == ([], 0, 0)

    async def test_updates_come_back_in_order_and_rooms_are_apart(self, tmp_path: Path) -> None:
        """What is appended to one room is loaded from it, in order, and from no other."""
        async with self.opened(tmp_path) as store:
            for number in range(5):
                await store.append("a", b"a%d" % number)
                await store.append("a/b", b"b%d" % number)
            stored = await store.load("a")
            assert list(stored.updates) == [b"a%d" % number for number in range(5)]
            assert stored.log_length == 5
            assert list((await store.load("a/b")).updates) == [b"b%d" % number for number in range(5)]

    async def test_positions_rise_in_the_order_of_the_commits(self, tmp_path: Path) -> None:
        """Whoever has read up to a position misses nothing below it, though many append at once."""
        positions: dict[int, int] = {}
        async with self.opened(tmp_path) as store:

            async def append(number: int) -> None:
                positions[number] = await store.append("room", b"%d" % number)

            async with anyio.create_task_group() as tasks:
                for number in range(50):
                    tasks.start_soon(append, number)
            stored = await store.load("room")
            order = sorted(positions, key=lambda number: positions[number])
            assert [int(update) for update in stored.updates] == order
            assert stored.position == max(positions.values())
            assert len(set(positions.values())) == 50

    async def test_compaction_keeps_what_came_after(self, tmp_path: Path) -> None:
        """The segments stand in the place of the updates that they hold, and later ones follow them."""
        async with self.opened(tmp_path) as store:
            for number in range(3):
                through = await store.append("room", b"%d" % number)
            last = await store.append("room", b"late")
            await store.append("other", b"untouched")
            for segments in ([b"one", b"two"], [b"all"]):
                await store.compact("room", segments, through)
                stored = await store.load("room")
                assert (list(stored.updates), stored.position) == ([*segments, b"late"], last)
                assert stored.log_length == 1
            await store.compact("room", [b"everything"], last)
            assert (await store.load("room")).position == last
            assert await store.append("room", b"next") > last
            assert list((await store.load("room")).updates) == [b"everything", b"next"]
            assert list((await store.load("other")).updates) == [b"untouched"]

    async def test_appends_go_on_while_a_snapshot_is_stored(self, tmp_path: Path) -> None:
        """Nothing that comes meanwhile is lost, in the room and beside it, and what is read is the old or the new."""
        segments = [bytes([number]) * 600_000 for number in range(6)]
        late: list[bytes] = []
        async with self.opened(tmp_path) as store:
            old = [b"one", b"two"]
            for update in old:
                through = await store.append("room", update)
            stored = anyio.Event()

            async def compact() -> None:
                await store.compact("room", segments, through)
                stored.set()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(compact)
                while not stored.is_set() or not late:
                    late.append(b"late %d" % len(late))
                    await store.append("room", late[-1])
                    await store.append("other", late[-1])
                    await anyio.lowlevel.checkpoint()  # a store in memory waits for nothing
                    found = list((await store.load("room")).updates)
                    assert found in ([*old, *late], [*segments, *late])
            found = list((await store.load("room")).updates)
            assert found == [*segments, *late]
            assert list((await store.load("other")).updates) == late

    async def test_an_older_snapshot_takes_no_newer_ones_place(self, tmp_path: Path) -> None:
        """It would lose what the newer one holds, so it is an error."""
        async with self.opened(tmp_path) as store:
            first = await store.append("room", b"1")
            second = await store.append("room", b"2")
            await store.append("room", b"3")
            await store.compact("room", [b"12"], second)
            try:
                await store.compact("room", [b"1"], first)
            except CrdtSyncError:
                assert list((await store.load("room")).updates) == [b"12", b"3"]
            else:
                raise AssertionError("an older snapshot was taken")

    async def test_what_was_appended_is_there_after_a_restart(self, tmp_path: Path) -> None:
        """A store that keeps finds everything again."""
        async with self.opened(tmp_path) as store:
            position = await store.append("Räume/日本 🙂", bytes(range(256)) * 1000)
            await store.check()
        if self.keeps:
            async with self.opened(tmp_path) as store:
                stored = await store.load("Räume/日本 🙂")
                assert (list(stored.updates), stored.position) == ([bytes(range(256)) * 1000], position)
