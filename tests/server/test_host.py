"""Rooms with their loops, on a virtual clock of sweeps, against a store that can be made to wait and to fail."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from pycrdt import Doc, Map

from crdt_sync.protocol.messages import (
    Awareness,
    AwarenessEntry,
    Barrier,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    decode,
)
from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync_server import compaction as compaction_module
from crdt_sync_server import inbox as inbox_module
from crdt_sync_server.errors import StoreError
from crdt_sync_server.host import Host
from crdt_sync_server.outbox import EMPTY_AWARENESS
from crdt_sync_server.ports import Stored
from crdt_sync_server.room_loop import Stopping
from crdt_sync_server.stores.memory import MemoryStore
from tests.server.room_peer import Peer

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class SlowStore(MemoryStore):
    """Appends and loads wait for a gate, and fail when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = anyio.Event()
        self.gate.set()
        self.failure: StoreError | None = None
        self.loads = 0
        self.appends = 0
        self.compactions = 0
        self.compaction_gate = anyio.Event()
        self.compaction_gate.set()

    async def _pass(self) -> None:
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure

    async def load(self, room: str) -> Stored:
        self.loads += 1
        await self._pass()
        return await super().load(room)

    async def append(self, room: str, update: bytes, owner: str | None = None) -> int:
        self.appends += 1
        await self._pass()
        return await super().append(room, update, owner)

    async def compact(self, room: str, segments: Sequence[bytes], through: int) -> None:
        self.compactions += 1
        await self.compaction_gate.wait()
        await self._pass()
        await super().compact(room, segments, through)


class Rig:
    def __init__(self, store: SlowStore) -> None:
        self.store = store
        self.now_s = 0.0
        self.host = Host(store, now=lambda: self.now_s, idle_s=30.0)

    async def enter(self, name: str = "room") -> Peer:
        """Join and complete the sync of a peer that has nothing."""
        room = self.host.room(name)
        peer = Peer(room)
        await room.enter(peer)
        await peer.say(SyncStep1(b"\x00"), SyncStep2(EMPTY_UPDATE))
        await peer.hear(SyncStep2)
        return peer

    async def pass_time(self, seconds: float) -> None:
        self.now_s += seconds
        for room in list(self.host._rooms.values()):
            room.sweep(self.now_s)
        await anyio.wait_all_tasks_blocked()


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    rig = Rig(SlowStore())
    async with rig.host.running():
        yield rig


def update(key: str, value: object = 1) -> bytes:
    doc: Doc[Any] = Doc()
    doc.get("m", type=Map)[key] = value
    return doc.get_update()


def keys(data: bytes) -> set[str]:
    doc: Doc[Any] = Doc()
    doc.apply_update(data)
    return set(doc.get("m", type=Map).to_py() or {})


async def test_nothing_is_sent_before_it_is_durable_and_what_comes_meanwhile_is_one_batch() -> None:
    async with rig() as desk:
        a, b = await desk.enter(), await desk.enter()
        desk.store.gate = anyio.Event()
        await a.say(SyncUpdate(update("one")), Barrier(1))
        await anyio.wait_all_tasks_blocked()
        await a.say(SyncUpdate(update("two")), SyncUpdate(update("three")))
        await b.say(SyncUpdate(update("four")), Barrier(2))
        await anyio.wait_all_tasks_blocked()
        assert desk.store.appends == 1
        assert a.outbox.next() is b.outbox.next() is None
        desk.store.gate.set()
        assert (await a.hear(Barrier)).number == 1
        assert (await b.hear(Barrier)).number == 2
        assert desk.store.appends == 2
        stored = await desk.store.load("room")
        assert [keys(data) for data in stored.updates] == [{"one"}, {"two", "three", "four"}]


async def test_all_who_join_a_loading_room_share_one_load() -> None:
    async with rig() as desk:
        await desk.store.append("room", update("old"))
        desk.store.gate = anyio.Event()
        joined: list[Peer] = []

        async def join() -> None:
            joined.append(await desk.enter())

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(join)
            await anyio.wait_all_tasks_blocked()
            assert not joined
            desk.store.gate.set()
        assert desk.store.loads == 1
        answers = [m for peer in joined for m in peer.heard if isinstance(m, SyncStep2)]
        assert [keys(answer.update) for answer in answers] == [{"old"}] * 4


async def test_who_comes_as_the_loading_ends_is_newer_than_those_who_waited_for_it() -> None:
    async with rig() as desk:
        desk.store.gate = anyio.Event()
        room = desk.host.room("room")
        old, new = Peer(room), Peer(room)
        old.subject = new.subject = "ada"

        async def slip_in() -> None:
            while room._loaded is not None:
                await anyio.lowlevel.checkpoint()
            await room.enter(new)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(room.enter, old)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(slip_in)
            desk.store.gate.set()
        assert list(room._peers) == [new, old]
        await old.say(Awareness((AwarenessEntry(5, 5, '"old"'),)))
        assert (await new.hear(Awareness)).entries == (AwarenessEntry(5, 5, '"old"'),)
        await new.say(Awareness((AwarenessEntry(5, 6, '"new"'),)))
        assert (await new.hear(Awareness)).entries == (AwarenessEntry(5, 6, '"new"'),)


async def test_a_failed_load_is_an_error_and_the_next_one_tries_again() -> None:
    async with rig() as desk:
        await desk.store.append("room", update("old"))
        desk.store.failure = StoreError("the disk is away")
        with pytest.raises(StoreError, match="away"):
            await desk.enter()
        desk.store.failure = None
        peer = await desk.enter()
        assert keys(peer.heard[-1].update) == {"old"}  # type: ignore[union-attr]


async def test_a_failed_commit_closes_the_room_tells_nobody_and_loads_again() -> None:
    async with rig() as desk:
        a, b = await desk.enter(), await desk.enter()
        await a.say(SyncUpdate(update("kept")), Barrier(1))
        await a.hear(Barrier)
        desk.store.failure = StoreError("no space left")
        await a.say(SyncUpdate(update("lost")), Barrier(2))
        assert await a.closed() == await b.closed() == 1011
        assert not [m for m in a.heard if m == Barrier(2)]
        assert not [m for m in b.heard if isinstance(m, SyncUpdate) and "lost" in keys(m.update)]
        desk.store.failure = None
        again = await desk.enter()
        assert keys(again.heard[-1].update) == {"kept"}  # type: ignore[union-attr]


async def test_another_room_goes_on_while_one_fails() -> None:
    async with rig() as desk:
        a, other = await desk.enter("a"), await desk.enter("other")
        desk.store.failure = StoreError("no space left")
        await a.say(SyncUpdate(update("lost")))
        assert await a.closed() == 1011
        desk.store.failure = None
        await other.say(SyncUpdate(update("fine")), Barrier(1))
        assert await other.hear(Barrier)


async def test_an_idle_room_leaves_and_comes_back_whole() -> None:
    async with rig() as desk:
        a = await desk.enter()
        for n in range(25):
            await a.say(SyncUpdate(update(f"k{n}")), Barrier(n))
            await a.hear(Barrier)
        await desk.pass_time(100)
        assert "room" in desk.host._rooms  # somebody is in
        a.room.leave(a)
        await desk.pass_time(29)
        assert "room" in desk.host._rooms
        await desk.pass_time(2)
        assert not desk.host._rooms
        assert desk.store.compactions == 1
        again = await desk.enter()
        assert desk.store.loads == 2
        assert keys(again.heard[-1].update) == {f"k{n}" for n in range(25)}  # type: ignore[union-attr]


async def test_who_comes_while_a_room_is_closing_keeps_it_open() -> None:
    async with rig() as desk:
        a = await desk.enter()
        for n in range(25):
            await a.say(SyncUpdate(update(f"k{n}")), Barrier(n))
            await a.hear(Barrier)
        a.room.leave(a)
        await desk.pass_time(1)
        desk.store.gate = anyio.Event()  # the compaction of the closing room waits
        await desk.pass_time(31)
        assert desk.store.compactions == 1
        room = desk.host.room("room")
        b = Peer(room)
        await room.enter(b)
        await b.say(SyncStep1(b"\x00"), SyncStep2(EMPTY_UPDATE), SyncUpdate(update("late")), Barrier(1))
        desk.store.gate.set()
        assert await b.hear(Barrier) == Barrier(1)
        assert desk.store.loads == 1
        assert "late" in {key for data in (await desk.store.load("room")).updates for key in keys(data)}


async def test_a_failed_compaction_loses_nothing_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction_module, "AFTER_UPDATES", 5)
    monkeypatch.setattr(compaction_module, "AFTER_BYTES", 0)
    async with rig() as desk:
        a = await desk.enter()

        async def broken(room: str, segments: Sequence[bytes], through: int) -> None:
            raise StoreError("no space left")

        whole, desk.store.compact = desk.store.compact, broken  # type: ignore[method-assign]
        for n in range(6):
            await a.say(SyncUpdate(update(f"k{n}")), Barrier(n))
            await a.hear(Barrier)
        await a.room._log.compacted()
        assert (await desk.store.load("room")).log_length == 6
        desk.store.compact = whole  # type: ignore[method-assign]
        for n in range(6, 12):
            await a.say(SyncUpdate(update(f"k{n}")), Barrier(n))
            await a.hear(Barrier)
        await a.room._log.compacted()
        stored = await desk.store.load("room")
        assert stored.log_length < 6
        assert {key for data in stored.updates for key in keys(data)} == {f"k{n}" for n in range(12)}


async def test_turns_go_on_while_the_log_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction_module, "AFTER_UPDATES", 5)
    monkeypatch.setattr(compaction_module, "AFTER_BYTES", 0)
    async with rig() as desk:
        a = await desk.enter()
        desk.store.compaction_gate = anyio.Event()
        for n in range(12):
            await a.say(SyncUpdate(update(f"k{n}")), Barrier(n))
            assert await a.hear(Barrier) == Barrier(n)
        desk.store.compaction_gate.set()
        await a.room._log.compacted()
        assert desk.store.compactions == 1
        stored = await desk.store.load("room")
        assert stored.log_length == 7  # what was committed meanwhile follows the snapshot
        assert {key for data in stored.updates for key in keys(data)} == {f"k{n}" for n in range(12)}


async def test_a_room_that_failed_is_not_followed_by_another_while_its_log_is_put_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or the older snapshot could take the place of a newer one, and of what that one stands for."""
    monkeypatch.setattr(compaction_module, "AFTER_UPDATES", 5)
    monkeypatch.setattr(compaction_module, "AFTER_BYTES", 0)
    async with rig() as desk:
        a = await desk.enter()
        desk.store.compaction_gate = anyio.Event()
        for n in range(5):
            await a.say(SyncUpdate(update(f"k{n}")), Barrier(n))
            await a.hear(Barrier)
        desk.store.failure = StoreError("no space left")
        await a.say(SyncUpdate(update("lost")))
        await a.closed()
        with pytest.raises(StoreError):
            await desk.enter()
        desk.store.failure = None
        desk.store.compaction_gate.set()
        await a.room._log.compacted()
        await anyio.wait_all_tasks_blocked()
        again = await desk.enter()
        assert keys(again.heard[-1].update) == {f"k{n}" for n in range(5)}  # type: ignore[union-attr]


async def test_a_silent_room_is_spoken_to_every_20_s() -> None:
    async with rig() as desk:
        a = await desk.enter()
        while a.outbox.next() is not None:
            pass
        await desk.pass_time(19.9)
        assert a.outbox.next() is None
        await desk.pass_time(0.1)
        await desk.pass_time(1)  # one waits already
        assert a.outbox.next() == EMPTY_AWARENESS
        assert a.outbox.next() is None


async def test_stop_commits_what_has_arrived_and_closes_with_1001() -> None:
    async with rig() as desk:
        a, b = await desk.enter("a"), await desk.enter("b")
        await a.say(SyncUpdate(update("last")), Barrier(1))
        await desk.host.stop()
        assert await b.closed() == 1001
        assert await a.hear(Barrier) == Barrier(1)
        assert await a.closed() == 1001
        assert [keys(data) for data in (await desk.store.load("a")).updates] == [{"last"}]
        with pytest.raises(Stopping):
            desk.host.room("c")


async def test_what_waited_together_is_taken_in_shares_and_each_goes_out_before_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a flood brings is on its way to the readers while the rest of it is still to be applied."""
    monkeypatch.setattr(inbox_module, "MAX_TURN_BYTES", 2000)
    async with rig() as desk:
        a, b = await desk.enter(), await desk.enter()
        while b.outbox.next() is not None:
            pass
        append, before = desk.store.append, []

        async def watched(*arguments: Any) -> int:
            item = b.outbox.next()
            before.append([keys(each.update) for each in decode(item) if isinstance(each, SyncUpdate)] if item else [])
            return await append(*arguments)

        monkeypatch.setattr(desk.store, "append", watched)
        for number in range(5):
            assert a.room.offer(a, [SyncUpdate(update(f"{number}", "x" * 1500))], 1600)
        a.room.offer(a, [Barrier(1)], 2)
        await a.hear(Barrier)
        shares = [{"0", "1"}, {"2", "3"}, {"4"}]
        assert before == [[], [shares[0]], [shares[1]]]
        assert [keys(data) for data in (await desk.store.load("room")).updates] == shares


async def test_a_peer_with_much_that_waits_is_not_read_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "MAX_INBOX_BYTES_PER_PEER", 2000)
    async with rig() as desk:
        a = await desk.enter()
        desk.store.gate = anyio.Event()
        await a.say(SyncUpdate(update("first")))
        await anyio.wait_all_tasks_blocked()
        handed_over = anyio.Event()

        async def flood() -> None:
            await a.say(SyncUpdate(update("big", "x" * 3000)))
            handed_over.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(flood)
            await anyio.wait_all_tasks_blocked()
            assert not handed_over.is_set()
            desk.store.gate.set()
            with anyio.fail_after(5):
                await handed_over.wait()


async def test_a_large_update_is_taken_on_a_thread_and_the_rooms_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    async with rig() as desk:
        a = await desk.enter()
        take = a.room._room.take

        def watched(*arguments: Any) -> Any:
            threads.append(threading.current_thread().name)
            return take(*arguments)

        monkeypatch.setattr(a.room._room, "take", watched)
        await a.say(SyncUpdate(update("small")), Barrier(1))
        await a.hear(Barrier)
        await a.say(SyncUpdate(update("large", "x" * 200_000)), Barrier(2))
        await a.hear(Barrier)
        main = threading.main_thread().name
        assert threads[0] == main
        assert threads[-1] != main
        stored = [keys(data) for data in (await desk.store.load("room")).updates]
        assert stored == [{"small"}, {"large"}]


async def test_a_bug_in_one_room_takes_down_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig() as desk:
        a, other = await desk.enter("a"), await desk.enter("other")

        def bug(turn: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(a.room._room, "release", bug)
        await a.say(SyncUpdate(update("x")))
        assert await a.closed() == 1011
        await other.say(SyncUpdate(update("fine")), Barrier(1))
        assert await other.hear(Barrier)
        assert await desk.enter("a")  # loaded again


async def test_a_room_that_has_left_gives_its_memory_back() -> None:
    """An observer and its document hold one another where Python's collector does not look."""
    async with rig() as desk:
        a = await desk.enter()
        await a.say(SyncUpdate(update("k")), Barrier(1))
        await a.hear(Barrier)
        gone = weakref.ref(desk.host._rooms["room"]._room)
        a.room.leave(a)
        del a
        await desk.pass_time(31)
        assert not desk.host._rooms
        gc.collect()
        assert gone() is None
