"""How many rooms may be loaded, how much they may hold, and which give way."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from crdt_sync.protocol.messages import Barrier, SyncUpdate
from crdt_sync_server.host import Host
from crdt_sync_server.hosted_room import HostedRoom
from crdt_sync_server.limits import Limit, LimitReached, Limits
from tests.server.test_host import Peer, Rig, SlowStore, update

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def rig(limits: Limits) -> AsyncIterator[Rig]:
    desk = Rig(SlowStore())
    desk.host = Host(desk.store, now=lambda: desk.now_s, idle_s=30.0, limits=limits)
    async with desk.host.running():
        yield desk


async def entered(desk: Rig, name: str, client: str) -> Peer:
    room = desk.host.room(name, client)
    peer = Peer(room)
    await room.enter(peer)
    return peer


async def test_the_room_that_is_idle_longest_gives_way_and_none_in_which_somebody_is() -> None:
    async with rig(Limits(max_rooms=3)) as desk:
        rooms = {name: await entered(desk, name, name) for name in "abc"}
        with pytest.raises(LimitReached) as caught:
            desk.host.room("d", "d")
        assert caught.value.limit is Limit.ROOMS
        for name in "bac":
            desk.now_s += 1
            if name != "c":
                rooms[name].room.leave(rooms[name])
        await entered(desk, "d", "d")
        await anyio.wait_all_tasks_blocked()
        assert desk.host._rooms.keys() == {"a", "c", "d"}
        assert desk.host.room("c", "x") is rooms["c"].room  # who is here already takes no place


async def test_an_address_has_its_own_bound_and_gets_its_places_back() -> None:
    async with rig(Limits(max_rooms_per_address=2)) as desk:
        first = await entered(desk, "a", "10.0.0.1")
        await entered(desk, "b", "10.0.0.1")
        with pytest.raises(LimitReached) as caught:
            desk.host.room("c", "10.0.0.1")
        assert caught.value.limit is Limit.ROOMS_PER_ADDRESS
        await entered(desk, "c", "10.0.0.2")
        first.room.leave(first)
        await entered(desk, "d", "10.0.0.1")
        await anyio.wait_all_tasks_blocked()
        assert desk.host._opened_by == {"10.0.0.1": 2, "10.0.0.2": 1}


async def test_idle_rooms_are_closed_by_bytes() -> None:
    async with rig(Limits(max_room_bytes=25_000)) as desk:
        for name in "abc":
            peer = await desk.enter(name)
            await peer.say(SyncUpdate(update("k", "x" * 10_000)), Barrier(1))
            await peer.hear(Barrier)
            desk.now_s += 1
            peer.room.leave(peer)
        desk.host._shrink()
        await anyio.wait_all_tasks_blocked()
        assert desk.host._rooms.keys() == {"b", "c"}


async def test_a_room_that_is_visited_now_and_then_is_not_idle() -> None:
    """However short the visits are: no sweep has seen anybody in it."""
    async with rig(Limits()) as desk:
        for _ in range(5):
            peer = await desk.enter("room")
            peer.room.leave(peer)
            await desk.pass_time(20)
        assert desk.store.loads == 1


async def test_a_room_that_has_left_is_gone_from_memory() -> None:
    async with rig(Limits()) as desk:
        peer = await desk.enter("room")
        peer.room.leave(peer)
        hosted: weakref.ref[HostedRoom] = weakref.ref(peer.room)
        inner = weakref.ref(peer.room._room)
        del peer
        await desk.pass_time(31)
        await anyio.wait_all_tasks_blocked()
        gc.collect()
        assert hosted() is None
        assert inner() is None
