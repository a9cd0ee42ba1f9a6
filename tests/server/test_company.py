"""Who is shown of other relays' rooms: however many they are, whatever they show, and whenever their relay goes."""

from __future__ import annotations

import anyio
import pytest

from crdt_sync.protocol.awareness import OUTDATED_AFTER_S
from crdt_sync.protocol.messages import Awareness, AwarenessEntry
from crdt_sync_server.backplanes.memory import MemoryHub
from crdt_sync_server.ports import Stored
from tests.server.room_peer import Peer
from tests.server.test_cluster import CountingStore, Relay, relays, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def show(client: int, state: str, clock: int = 1) -> Awareness:
    return Awareness((AwarenessEntry(client, clock, state),))


async def seen(peer: Peer, *clients: int) -> None:
    """Wait until a peer has been shown all these."""
    known = {each.client_id for message in peer.heard if isinstance(message, Awareness) for each in message.entries}
    while not set(clients) <= known:
        known |= {each.client_id for each in (await peer.hear(Awareness)).entries}


def shown_in(relay: Relay) -> dict[int, str]:
    hosted = relay.host.opened("room")
    assert hosted is not None
    return {each.client_id: each.state for each in hosted._room._presence.entries()}


async def test_more_people_than_one_message_holds_are_shown_to_a_relay_that_asks() -> None:
    async with relays(2, hub=MemoryHub()) as (one, two):
        crowd = [await one.enter() for _ in range(20)]
        for number, peer in enumerate(crowd):
            await peer.say(show(number, '"' + "x" * 20_000 + '"'))
        await seen(crowd[0], *range(20))
        late = await two.enter()
        await seen(late, *range(20))


async def test_who_shows_too_much_for_a_backplane_hides_nobody_else() -> None:
    async with relays(2, hub=MemoryHub()) as (one, two):
        loud, quiet, watcher = await one.enter(), await one.enter(), await two.enter()
        too_much = '"' + "é" * 200_000 + '"'
        for number in range(3):  # together with what others say, again and again
            await loud.say(show(1, too_much, number + 1))
            await quiet.say(show(10 + number, '"here"'))
        await seen(watcher, 10, 11, 12)
        assert one.host.cluster is not None
        assert one.host.cluster._tells, "the backplane was given what it refuses"


async def test_connections_of_another_relay_that_show_nothing_more_are_forgotten() -> None:
    async with relays(2, hub=MemoryHub()) as (one, two):
        watcher = await two.enter()
        room = one.host.room("room")
        for number in range(30):
            peer = await one.enter()
            await peer.say(show(number, '"here"'))
            await seen(watcher, number)
            await peer.say(show(number, "null", 2))
            await until(lambda number=number: number not in shown_in(two))  # type: ignore[misc]
            room.leave(peer)
        hosted = two.host.opened("room")
        assert hosted is not None
        two.now_s += OUTDATED_AFTER_S + 1
        hosted.sweep(two.now_s)
        await until(lambda: len(hosted._room._presence._subjects) <= 1)


async def test_a_relay_that_goes_while_a_room_loads_leaves_no_ghosts_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    may_load = anyio.Event()
    load = CountingStore.load

    async def slow(self: CountingStore, room: str) -> Stored:
        if self.node == "n1":
            await may_load.wait()
        return await load(self, room)

    monkeypatch.setattr(CountingStore, "load", slow)
    async with relays(2, hub=MemoryHub()) as (one, two):
        hosted = two.host.room("room")
        a = await one.enter()
        await a.say(show(7, '"here"'))
        await until(lambda: len(hosted._inbox._arrivals) == 1)
        await one.host.stop()
        assert two.host.cluster is not None
        await until(lambda: "n0" not in two.host.cluster._company.relays)  # type: ignore[union-attr]
        may_load.set()
        async with hosted.held():
            await until(lambda: not hosted._inbox)
            assert shown_in(two) == {}
