from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from crdt_sync_server.backplane import Backplane, Committed, Missed, Said
from crdt_sync_server.backplanes.memory import WAITING_SAID, MemoryBackplane, MemoryHub, Weather
from crdt_sync_server.conformance_backplane import BackplaneContract, BackplaneEngine, take
from crdt_sync_server.errors import BackplaneError
from tests.simulation.loop import SimulatedLoop

pytestmark = pytest.mark.anyio


class Hub:
    def __init__(self) -> None:
        self._hub = MemoryHub()

    async def open(self) -> Backplane:
        return MemoryBackplane(self._hub)

    async def stop(self) -> None:
        self._hub.fail()

    async def start(self) -> None:
        self._hub.forget()
        self._hub.recover()


class TestMemoryBackplane(BackplaneContract):
    @asynccontextmanager
    async def opened(self) -> AsyncIterator[BackplaneEngine]:
        yield Hub()


def updates(*positions: int) -> list[Committed]:
    return [Committed("room", position, b"%d" % position) for position in positions]


async def test_what_is_no_longer_kept_was_missed() -> None:
    hub = MemoryHub(kept=3)
    relay = MemoryBackplane(hub)
    async with relay.subscribe(None) as news:
        await relay.publish(updates(1, 2))
        cursor = (await anext(news)).cursor
        await relay.publish(updates(3, 4, 5))
        assert await take(news, 3) == updates(3, 4, 5)
    async with relay.subscribe(cursor) as again:
        assert await take(again, 3) == updates(3, 4, 5)
        await relay.publish(updates(6, 7, 8, 9))
        assert await take(again, 4) == [Missed(), *updates(7, 8, 9)]
    async with relay.subscribe(cursor) as again:
        assert await take(again, 4) == [Missed(), *updates(7, 8, 9)]


async def test_what_is_forgotten_was_missed_by_those_who_listen() -> None:
    hub = MemoryHub()
    relay = MemoryBackplane(hub)
    async with relay.subscribe(None) as news:
        await relay.publish(updates(1))
        await take(news, 1)
        hub.forget()
        assert await take(news, 1) == [Missed()]
        await relay.publish(updates(2))
        assert await take(news, 1) == updates(2)


async def test_one_relay_is_cut_off_and_the_other_is_not() -> None:
    hub = MemoryHub()
    ours, theirs = MemoryBackplane(hub), MemoryBackplane(hub)
    async with ours.subscribe(None) as news, theirs.subscribe(None) as heard:
        cursor = (await anext(news)).cursor
        ours.cut()
        with pytest.raises(BackplaneError, match="reached"):
            await anext(news)
        with pytest.raises(BackplaneError, match="reached"):
            await ours.publish(updates(1))
        await theirs.publish(updates(2))
        assert await take(heard, 1) == updates(2)
        ours.mend()
        with pytest.raises(BackplaneError, match="lost"):  # what was broken off stays so
            await anext(news)
    async with ours.subscribe(cursor) as news:
        assert await take(news, 1) == updates(2)


async def test_what_is_dropped_is_missed_and_what_is_said_is_gone() -> None:
    hub, is_bad = MemoryHub(), False
    ours = MemoryBackplane(hub, Weather(drops=lambda: is_bad))
    theirs = MemoryBackplane(hub)
    async with ours.subscribe(None) as news:
        assert (await anext(news)).news == ()
        is_bad = True
        await theirs.publish(updates(1))
        assert await take(news, 1) == [Missed()]
        await theirs.say([Said("theirs", b"lost")])
        assert (await anext(news)).news == ()
        is_bad = False
        await theirs.say([Said("theirs", b"heard")])
        assert await take(news, 1) == [Said("theirs", b"heard")]


async def test_a_call_that_raises_may_have_done_nothing_or_all() -> None:
    hub = MemoryHub()
    heard = MemoryBackplane(hub)
    async with heard.subscribe(None) as news:
        with pytest.raises(BackplaneError, match="did not take"):
            await MemoryBackplane(hub, Weather(fails=lambda: True)).publish(updates(1))
        with pytest.raises(BackplaneError, match="no answer"):
            await MemoryBackplane(hub, Weather(loses_answer=lambda: True)).publish(updates(2))
        assert await take(news, 1) == updates(2)


async def test_who_does_not_listen_to_what_is_said_is_told() -> None:
    relay = MemoryBackplane()
    async with relay.subscribe(None) as news:
        await relay.say([Said("node", b"")] * (WAITING_SAID + 1))
        with pytest.raises(BackplaneError, match="more than was taken"):
            await take(news, 1)


def test_delays_pass_in_the_time_of_the_loop() -> None:
    """Twice the same in simulated time: the call's, then the delivery's, and the order is kept."""

    async def run() -> list[tuple[float, int]]:
        hub, delays = MemoryHub(), iter([0.0, 3.0, 0.5, 0.25, 2.0, 0.25, 4.0, 8.0])
        ours = MemoryBackplane(hub, Weather(delay_s=lambda: next(delays)))
        heard: list[tuple[float, int]] = []
        async with ours.subscribe(None) as news, anyio.create_task_group() as tasks:
            await anext(news)
            for position in (1, 2):
                tasks.start_soon(ours.publish, updates(position))
            while len(heard) < 2:
                for each in (await anext(news)).news:
                    assert isinstance(each, Committed)
                    heard.append((anyio.current_time(), each.position))
        return heard

    def simulated() -> list[tuple[float, int]]:
        loop = SimulatedLoop()
        try:
            return loop.run_until_complete(run())
        finally:
            loop.close()

    assert simulated() == simulated() == [(5.25, 2), (5.25, 1)]
