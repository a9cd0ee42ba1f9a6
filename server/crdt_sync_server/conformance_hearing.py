"""What tests of backplanes share: an engine that can be stopped, and bounded waiting for news."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Protocol

import anyio

from crdt_sync_server.backplane import Backplane, Carried, News
from crdt_sync_server.errors import BackplaneError

__all__ = ["WAIT_S", "BackplaneEngine", "fails", "take", "take_until"]

WAIT_S = 20.0
ERROR_WITHIN_S = 5.0


class BackplaneEngine(Protocol):
    """What the relays meet at: a server, or what stands for one."""

    async def open(self) -> Backplane:
        """Open it for one more relay. What was opened is closed when the engine's block ends."""

    async def stop(self) -> None:
        """Let the engine die, without a word to anyone."""

    async def start(self) -> None:
        """Let it come back at the same place, without what it kept for subscribers."""


async def take(news: AsyncIterator[Carried], count: int) -> list[News]:
    """Return the next news, at least so many, and exactly so many where no more came with the last of them."""
    taken: list[News] = []
    with anyio.fail_after(WAIT_S):
        while len(taken) < count:
            taken += (await anext(news)).news
    return taken


async def take_until(news: AsyncIterator[Carried], last: News) -> list[News]:
    """Return the next news up to one that is `last`, which is the last."""
    taken: list[News] = []
    while last not in taken:
        taken += await take(news, 1)
    assert taken[-1] == last
    return taken


async def fails(call: Awaitable[object]) -> None:
    """Check that `BackplaneError` comes of it soon, with words."""
    with anyio.fail_after(ERROR_WITHIN_S):
        try:
            await call
        except BackplaneError as error:
            assert str(error)
        else:
            raise AssertionError("no error came")
