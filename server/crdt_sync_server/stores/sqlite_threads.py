"""How the threads of the store are asked and answer: a job has a future on the loop, and many answers take one wake."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crdt_sync_server.errors import RelayError

__all__ = ["Answers", "Call"]


@dataclass(frozen=True, slots=True)
class Call:
    """A function that a thread is to run on its connection, and who waits for what it returns."""

    run: Callable[[sqlite3.Connection], Any]
    done: asyncio.Future[Any]


class Answers:
    """Carries what threads have found to the futures that wait for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._given: deque[tuple[asyncio.Future[Any], Any, RelayError | None]] = deque()
        self._is_waking = False

    def expect(self) -> asyncio.Future[Any]:
        """Return a future for a job. Call it on the loop's thread."""
        return self._loop.create_future()

    def give(self, done: asyncio.Future[Any], value: Any, error: RelayError | None = None) -> None:
        """Answer `done`. Any thread may."""
        self._given.append((done, value, error))
        if not self._is_waking:
            self._is_waking = True
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        self._is_waking = False  # before the first is taken: what is given from now on wakes the loop again
        while self._given:
            done, value, error = self._given.popleft()
            if done.done():  # its caller was cancelled
                continue
            if error is None:
                done.set_result(value)
            else:
                done.set_exception(error)
