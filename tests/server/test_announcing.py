"""Presence on its way out: at once while it is rare, together while it is not, and in the end all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.protocol.messages import Awareness, AwarenessEntry, decode
from crdt_sync_server.announcing import EVERY_S, Announcer
from crdt_sync_server.outbox import Outbox, Tail


class Peer:
    def __init__(self) -> None:
        self.outbox = Outbox(Tail(), lambda: None)
        self.knows: dict[int, AwarenessEntry] = {}
        self.frames = 0

    def read(self) -> None:
        while isinstance(frame := self.outbox.next(), bytes):
            self.frames += 1
            for message in decode(frame):
                assert isinstance(message, Awareness)
                self.knows.update((entry.client_id, entry) for entry in message.entries)


class Desk:
    """An announcer in a time of its own; what it puts off is kept until `later`."""

    def __init__(self, peers: int = 3) -> None:
        self.now_s = 100.0
        self.put_off: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self.peers = [Peer() for _ in range(peers)]
        self.announcer = Announcer(lambda: self.now_s, lambda function, *rest: self.put_off.append((function, rest)))

    def move(self, client: int, clock: int) -> None:
        self.announcer.tell((AwarenessEntry(client, clock, f'"{clock}"'),), self.peers)

    async def later(self) -> None:
        put_off, self.put_off = self.put_off, []
        for function, (wait_s,) in put_off:
            assert 0 < wait_s <= EVERY_S * 1.001
            self.now_s += wait_s
            await function(0)

    def read(self) -> None:
        for peer in self.peers:
            peer.read()


@pytest.mark.anyio
async def test_a_move_in_a_quiet_room_goes_out_at_once() -> None:
    desk = Desk()
    desk.move(1, 1)
    desk.read()
    assert all(peer.knows[1].clock == 1 for peer in desk.peers)
    assert not desk.put_off
    desk.now_s += EVERY_S
    desk.move(1, 2)
    desk.read()
    assert all(peer.knows[1].clock == 2 for peer in desk.peers)


@pytest.mark.anyio
async def test_moves_that_follow_go_out_together_the_latest_of_each() -> None:
    desk = Desk()
    for clock in range(1, 11):
        desk.move(1, clock)
        desk.move(2, clock)
        desk.read()
    assert len(desk.put_off) == 1
    await desk.later()
    desk.read()
    for peer in desk.peers:
        assert peer.frames == 2
        assert {entry.client_id: entry.clock for entry in peer.knows.values()} == {1: 10, 2: 10}


@pytest.mark.anyio
async def test_who_joins_is_told_at_once_however_busy_the_room_is() -> None:
    desk = Desk()
    desk.move(1, 1)
    desk.move(1, 2)
    newcomer = Peer()
    desk.announcer.tell((AwarenessEntry(1, 2, '"2"'),), (newcomer,))
    newcomer.read()
    assert newcomer.knows[1].clock == 2


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30))
def test_in_the_end_everybody_knows_the_latest_of_everybody(moves: list[tuple[int, bool]]) -> None:
    async def run() -> None:
        desk, clocks = Desk(), dict[int, int]()
        for client, pause in moves:
            clocks[client] = clocks.get(client, 0) + 1
            desk.move(client, clocks[client])
            if pause:
                await desk.later()
        await desk.later()
        desk.read()
        assert not desk.put_off
        for peer in desk.peers:
            assert {entry.client_id: entry.clock for entry in peer.knows.values()} == clocks

    anyio.run(run)
