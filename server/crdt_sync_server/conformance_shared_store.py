"""What every store that several relays share must do, as a test class: `ports.SharedStore`.

Subclass it, give a block in which one store is open twice, as two relays, and run pytest. What a store must do alone
is in `crdt_sync.testing.contracts`, and what is kept beside the rooms in `conformance_shared_keepers`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

import anyio
import anyio.lowlevel

from crdt_sync_server.errors import RoomDeleted, Superseded
from crdt_sync_server.ports import Notice, NoticeKind, SharedStore, Stored

__all__ = ["SharedStoreContract"]

WRITERS = 6
UPDATES = 40


class SharedStoreContract:
    """The rules of `ports.SharedStore`."""

    def both(self, folder: Path) -> AbstractAsyncContextManager[tuple[SharedStore, SharedStore]]:
        """Return a block in which the store of `folder` is open twice, as the nodes `one` and `two`."""
        raise NotImplementedError

    async def test_positions_have_no_gap_in_the_order_of_the_commits(self, tmp_path: Path) -> None:
        """Both append to the same rooms at once, while others read: nothing appears below what was read already."""
        rooms = ["a", "b", "c/d"]
        given: dict[str, dict[int, bytes]] = {room: {} for room in rooms}
        async with self.both(tmp_path) as stores:
            is_over = anyio.Event()

            async def write(number: int) -> None:
                for count in range(UPDATES):
                    room, update = rooms[(number + count) % len(rooms)], b"%d-%d" % (number, count)
                    position = await stores[number % 2].append(room, update)
                    assert position not in given[room]
                    given[room][position] = update

            async def read(room: str) -> None:
                seen: list[bytes] = []
                while not is_over.is_set():
                    await anyio.lowlevel.checkpoint()
                    found = await stores[1].since(room, len(seen))
                    assert found.position == len(seen) + len(found.updates)
                    seen += found.updates
                assert seen == list((await stores[0].load(room)).updates)[: len(seen)]

            async with anyio.create_task_group() as tasks:
                for room in rooms:
                    tasks.start_soon(read, room)
                async with anyio.create_task_group() as writers:
                    for number in range(WRITERS):
                        writers.start_soon(write, number)
                is_over.set()
            assert sum(map(len, given.values())) == WRITERS * UPDATES
            for room in rooms:
                assert sorted(given[room]) == list(range(1, len(given[room]) + 1))
                stored = await stores[1].load(room)
                assert list(stored.updates) == [given[room][position] for position in sorted(given[room])]

    async def test_what_follows_a_position_is_given_over_a_compaction(self, tmp_path: Path) -> None:
        """Updates alone from the snapshot's position on, else the snapshot too; and nothing where there is no news."""
        async with self.both(tmp_path) as (one, two):
            for number in range(5):
                assert await one.append("room", b"%d" % number, "ada") == number + 1
            assert _found(await two.since("room", 2)) == ([b"2", b"3", b"4"], 5, 3)
            await two.compact("room", [b"first", b"second"], 3)
            assert _found(await one.since("room", 2)) == ([b"first", b"second", b"3", b"4"], 5, 2)
            assert _found(await one.since("room", 3)) == ([b"3", b"4"], 5, 2)
            assert _found(await one.since("room", 4)) == ([b"4"], 5, 1)
            assert _found(await one.since("room", 5)) == ([], 5, 0)
            assert (await one.since("room", 5)).owner == "ada"
            assert _found(await one.since("unknown", 0)) == ([], 0, 0)
            await one.compact("room", [b"all"], 5)
            assert _found(await two.since("room", 4)) == ([b"all"], 5, 0)
            assert _found(await two.since("room", 5)) == ([], 5, 0)
            assert await two.append("room", b"5") == 6
            assert _found(await one.load("room")) == ([b"all", b"5"], 6, 1)

    async def test_of_two_snapshots_the_later_stays(self, tmp_path: Path) -> None:
        """Whichever is stored first, at once or one after the other."""
        async with self.both(tmp_path) as (one, two):
            for number in range(4):
                await one.append("room", b"%d" % number)

            async def compact(store: SharedStore, segments: Sequence[bytes], through: int) -> None:
                with suppress(Superseded):
                    await store.compact("room", segments, through)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(compact, one, [b"01" * 300_000] * 4, 2)
                tasks.start_soon(compact, two, [b"012"], 3)
            assert _found(await one.load("room")) == ([b"012", b"3"], 4, 1)
            try:
                await one.compact("room", [b"01"], 2)
            except Superseded:
                assert _found(await two.load("room")) == ([b"012", b"3"], 4, 1)
            else:
                raise AssertionError("an older snapshot was taken")
            assert list(await one.damage()) == []

    async def test_heads_are_those_of_all_who_write(self, tmp_path: Path) -> None:
        """Also of rooms that were compacted; a room of which nothing is stored has 0. Thousands may be asked for."""
        async with self.both(tmp_path) as (one, two):
            before = (await two.heads([])).notice
            await one.append("a", b"1")
            await two.append("a", b"2")
            await two.append("b", b"1")
            await one.compact("a", [b"12"], 2)
            many = ["a", "b", *(f"unknown {number}" for number in range(3000))]
            found = await one.heads(many)
            assert found.notice == before
            assert set(found.rooms) == set(many)
            assert {room: position for room, position in found.rooms.items() if position} == {"a": 2, "b": 1}
            await two.delete("b")
            assert (await one.heads(["a"])).notice == before + 1

    async def test_a_deletion_is_the_others_too(self, tmp_path: Path) -> None:
        """At once, with its notice; and its batch of appends takes the other rooms' along."""
        async with self.both(tmp_path) as (one, two):
            await one.append("room", b"secret", "ada")
            await two.append("other", b"kept")
            before = (await two.heads([])).notice
            await one.delete("room")
            await _is_deleted(two.load("room"))
            await _is_deleted(two.since("room", 0))
            await _is_deleted(two.compact("room", [b"secret"], 1))
            positions: list[int] = []

            async def append() -> None:
                positions.append(await two.append("other", b"more"))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(append)
                tasks.start_soon(_is_deleted, two.append("room", b"late"))
                tasks.start_soon(append)
            assert sorted(positions) == [2, 3]
            assert await two.notices(before) == [Notice(before + 1, NoticeKind.DELETED, "room", "one")]
            assert await two.usage("ada") == 0

    async def test_notices_are_numbered_without_a_gap(self, tmp_path: Path) -> None:
        """Whoever writes them, at once, and whoever has read up to one misses none below it."""
        async with self.both(tmp_path) as stores:
            before = (await stores[0].heads([])).notice
            names = [f"room {number}" for number in range(20)]
            async with anyio.create_task_group() as tasks:
                for number, name in enumerate(names):
                    tasks.start_soon(stores[number % 2].delete, name)
            found = await stores[0].notices(before)
            assert found is not None
            assert [each.number for each in found] == list(range(before + 1, before + 21))
            assert {(each.about, each.node) for each in found} == {
                (name, ("one", "two")[number % 2]) for number, name in enumerate(names)
            }
            assert await stores[1].notices(before) == found
            assert await stores[1].notices(before + 15) == found[15:]
            assert await stores[1].notices(before + 20) == []


def _found(stored: Stored) -> tuple[list[bytes], int, int]:
    return list(stored.updates), stored.position, stored.log_length


async def _is_deleted(call: Awaitable[object]) -> None:
    try:
        await call
    except RoomDeleted:
        return
    raise AssertionError("a deleted room was read or written")
