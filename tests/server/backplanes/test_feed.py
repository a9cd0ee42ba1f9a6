from __future__ import annotations

import asyncio

import anyio
import pytest

from crdt_sync_server.backplane import Committed, News
from crdt_sync_server.backplanes.feed import WAITING, Feed
from crdt_sync_server.errors import BackplaneError

pytestmark = pytest.mark.anyio


def news(position: int) -> list[News]:
    return [Committed("room", position)]


async def test_a_cursor_is_told_when_it_is_taken_and_not_when_it_is_put() -> None:
    feed = Feed("0")
    await feed.put(news(1), "1")
    await feed.put(news(0))
    await feed.put(news(2), "2")
    assert [(await anext(feed)).cursor for _ in range(3)] == ["1", "1", "2"]


async def test_who_fills_it_waits_while_it_is_full() -> None:
    feed, filled = Feed(""), 0

    async def fill() -> None:
        nonlocal filled
        for position in range(3 * WAITING):
            await feed.put(news(position))
            filled += 1

    async with feed.filled_by(fill):
        await anext(feed)
        await anyio.wait_all_tasks_blocked()
        assert filled == WAITING + 1
        taken = [(await anext(feed)).news for _ in range(3 * WAITING - 1)]
    assert taken == [tuple(news(position)) for position in range(1, 3 * WAITING)]


async def test_what_is_there_is_given_before_the_failure_which_stays() -> None:
    feed = Feed("")

    async def fail() -> None:
        await feed.put(news(1))
        raise BackplaneError("gone")

    async with feed.filled_by(fail):
        await anyio.wait_all_tasks_blocked()
        assert (await anext(feed)).news == tuple(news(1))
        for _ in range(2):
            with pytest.raises(BackplaneError, match="gone"):
                await anext(feed)


async def test_a_fault_of_the_adapter_is_no_silence() -> None:
    feed = Feed("")

    async def fail() -> None:
        raise KeyError("a bug")

    async with feed.filled_by(fail):
        with pytest.raises(BackplaneError, match="a bug") as raised:
            await anext(feed)
        assert isinstance(raised.value.__cause__, BackplaneError)


async def test_leaving_ends_a_task_that_swallows_a_cancellation() -> None:
    swallowed = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            swallowed.set()
        await asyncio.sleep(3600)

    with anyio.fail_after(5):
        async with Feed("").filled_by(stubborn):
            await anyio.wait_all_tasks_blocked()
    assert swallowed.is_set()


async def test_the_errors_of_the_block_are_not_wrapped() -> None:
    with pytest.raises(KeyError):
        async with Feed("").filled_by(anyio.sleep_forever):
            raise KeyError("of the block")
