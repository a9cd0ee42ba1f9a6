"""A room is deleted at every moment of its life: it ends with 4404, nothing of it stays, and no other room notices."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import Barrier, SyncUpdate
from crdt_sync_server.errors import RoomDeleted
from tests.server.test_host import Peer, Rig, SlowStore, update

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def deleting() -> AsyncIterator[Rig]:
    """Yield a relay with a store that can be held up; afterwards `room` must be gone and another room work."""
    desk = Rig(SlowStore())
    async with desk.host.running():
        other = await desk.enter("other")
        yield desk
        desk.store.gate.set()
        with pytest.raises(RoomDeleted):
            await (late := desk.host.room("room")).enter(Peer(late))
        (record,) = await desk.store.rooms("room")
        assert (record.size_bytes, record.deleted_ms is not None) == (0, True)
        await other.say(SyncUpdate(update("goes on")), Barrier(1))
        assert await other.hear(Barrier) == Barrier(1)
        await desk.host.stop()


async def test_while_clients_are_in_it() -> None:
    async with deleting() as desk:
        peers = [await desk.enter(), await desk.enter()]
        await desk.host.delete("room")
        assert [await peer.closed() for peer in peers] == [CloseCode.DELETED] * 2


async def test_while_an_update_is_on_its_way_to_the_disk() -> None:
    """It is not acknowledged, and nobody sees it."""
    async with deleting() as desk:
        writer, reader = await desk.enter(), await desk.enter()
        desk.store.gate = anyio.Event()
        await writer.say(SyncUpdate(update("late")), Barrier(1))
        await anyio.wait_all_tasks_blocked()
        await desk.host.delete("room")
        desk.store.gate.set()
        assert [await peer.closed() for peer in (writer, reader)] == [CloseCode.DELETED] * 2
        assert Barrier(1) not in writer.heard
        assert not any(isinstance(message, SyncUpdate) for message in reader.heard)


async def test_while_its_log_is_put_together() -> None:
    async with deleting() as desk:
        peer = await desk.enter()
        await peer.say(SyncUpdate(update("k")), Barrier(1))
        await peer.hear(Barrier)
        desk.store.gate = anyio.Event()
        begun, whole = anyio.Event(), desk.store.compact

        async def begin(room: str, segments: Sequence[bytes], through: int) -> None:
            begun.set()
            await whole(room, segments, through)

        desk.store.compact = begin  # type: ignore[method-assign]
        async with anyio.create_task_group() as tasks:

            async def compact() -> None:
                with pytest.raises(RoomDeleted):
                    await peer.room.compact()

            tasks.start_soon(compact)
            with anyio.fail_after(10):
                await begun.wait()
            await desk.host.delete("room")
            desk.store.gate.set()
        assert await peer.closed() is CloseCode.DELETED


async def test_while_it_is_loaded() -> None:
    async with deleting() as desk:
        await desk.store.append("room", update("k"))
        desk.store.gate = anyio.Event()
        room = desk.host.room("room")
        async with anyio.create_task_group() as tasks:

            async def enter() -> None:
                with pytest.raises(RoomDeleted):
                    await room.enter(Peer(room))

            tasks.start_soon(enter)
            tasks.start_soon(enter)
            await anyio.wait_all_tasks_blocked()
            await desk.host.delete("room")
            desk.store.gate.set()


async def test_while_nobody_has_it_in_memory() -> None:
    async with deleting() as desk:
        await desk.store.append("room", update("k"))
        await desk.host.delete("room")
