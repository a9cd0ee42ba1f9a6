"""What a subscriber of a server iterates over: tasks fill it, and wait while it is full."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import anyio

from crdt_sync_server.backplane import Carried, News
from crdt_sync_server.errors import BackplaneError

__all__ = ["Feed"]

WAITING = 4
"""How many deliveries wait for the subscriber before the tasks do."""
CANCEL_AGAIN_AFTER_S = 0.05


class Feed:
    """News from several tasks, in the order in which they are put. `cursor` is that of what was taken last.

    Once it has failed, what is there is still given, and then the error, each time that one asks.
    """

    def __init__(self, cursor: str) -> None:
        self.cursor = cursor
        self._waiting: deque[tuple[str | None, tuple[News, ...]]] = deque()
        self._came = asyncio.Event()
        self._taken = asyncio.Event()
        self._failure: BackplaneError | None = None

    async def put(self, news: Sequence[News], cursor: str | None = None) -> None:
        """Add a delivery; wait while there are too many. None: it moves no cursor."""
        while len(self._waiting) >= WAITING and self._failure is None:
            self._taken.clear()
            await self._taken.wait()
        self._waiting.append((cursor, tuple(news)))
        self._came.set()

    def fail(self, failure: BackplaneError) -> None:
        """End it, with the first failure."""
        self._failure = self._failure or failure
        self._came.set()
        self._taken.set()

    def __aiter__(self) -> Feed:
        return self

    async def __anext__(self) -> Carried:
        while not self._waiting:
            if self._failure is not None:
                raise BackplaneError(str(self._failure)) from self._failure
            self._came.clear()
            await self._came.wait()
        cursor, news = self._waiting.popleft()
        self._taken.set()
        self.cursor = cursor or self.cursor
        return Carried(self.cursor, news)

    @asynccontextmanager
    async def filled_by(self, *work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Run these while the block lasts. One that ends ends the feed; a task group would wrap the block's errors."""
        tasks = {asyncio.ensure_future(self._run(each)) for each in work}
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                while tasks:  # `asyncio.wait_for` of Python 3.11 may swallow a cancellation
                    for task in tasks:
                        task.cancel()
                    _, tasks = await asyncio.wait(tasks, timeout=CANCEL_AGAIN_AFTER_S)

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except BackplaneError as error:
            self.fail(error)
        except Exception as error:  # a fault of the adapter's own must not look like silence
            failure = BackplaneError(f"the backplane's reader stopped: {error!r}")
            failure.__cause__ = error
            self.fail(failure)
