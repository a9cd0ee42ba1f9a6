"""An event loop whose time is a number: when nothing is ready it jumps to the next timer. No sockets, no threads.

Whatever runs on it runs the same again: callbacks in the order in which they were made, timers by their time, and sets
of tasks (anyio cancels those) in an order that does not depend on where an object lies in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["SimulatedLoop", "Stuck"]


MAX_STEPS = 300_000


class Stuck(AssertionError):
    """Everything waits, and nothing is left that could end it."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """Make one for each run, and `close` it."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._tasks_made = 0
        self._selector = self
        self.steps = 0
        self.broken: list[str] = []
        """What would have been logged as an error of the loop: exceptions that nobody fetched."""
        self.set_task_factory(self._make_task)
        self.set_exception_handler(lambda _, context: self.broken.append(repr(context)))

    def time(self) -> float:
        """Return the seconds since the run began."""
        return self._now_s

    def select(self, timeout: float | None) -> list[Any]:
        """Stand in for the selector: nothing comes from outside, so time passes at once."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise Stuck(f"no end after {MAX_STEPS} steps, at {self._now_s:.3f} s: something goes round in circles")
        if timeout is None:
            raise Stuck("everything waits, and no timer is set")
        if timeout > 0:
            self._now_s = max(self._now_s, self._scheduled[0].when())
        return []

    def run_in_executor(self, *arguments: object) -> Any:
        """Refuse: a thread has a time of its own."""
        raise AssertionError("a thread was asked for in a simulation")

    def _process_events(self, event_list: list[Any]) -> None:
        return

    def _write_to_self(self) -> None:
        return

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        self._tasks_made += 1
        return _NumberedTask(self._tasks_made, coroutine, loop=loop, **options)


class _NumberedTask(asyncio.Task):  # type: ignore[type-arg]
    def __init__(self, number: int, *arguments: Any, **options: Any) -> None:
        self._number = number
        super().__init__(*arguments, **options)

    def __hash__(self) -> int:
        return self._number
