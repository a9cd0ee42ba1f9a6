"""How news of a library reaches the thread on which its program wants it.

A listener has one delivery under way at most. What happens until that was taken is kept by its feed, once for each
item, so a slow program costs memory for what changed and not for how often.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeAlias, TypeVar

__all__ = ["CallbackQueue", "Courier", "Deliver", "Listener"]

logger = logging.getLogger("crdt_sync")

Value = TypeVar("Value")

Deliver: TypeAlias = Callable[[Callable[[], None]], None]
"""Has a function run soon on the thread that the program chooses, like a GUI toolkit's "run on the main thread"."""


class CallbackQueue:
    """Callbacks that wait for a thread of the program: `open_library(..., deliver=queue.put)`, and `drain` there."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._news = threading.Condition()

    def put(self, callback: Callable[[], None]) -> None:
        """Add a callback. Any thread may."""
        with self._news:
            self._waiting.append(callback)
            self._news.notify_all()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until a callback waits; return whether one does, or False after `timeout_s`."""
        with self._news:
            return self._news.wait_for(lambda: bool(self._waiting), timeout_s)

    def drain(self) -> int:
        """Run, on this thread and in order, what waits now; return how many that were.

        What a callback raises comes out here; those behind it go on waiting for the next call.
        """
        done = 0
        for _ in range(len(self._waiting)):
            try:
                callback = self._waiting.popleft()
            except IndexError:  # another thread drains too
                break
            callback()
            done += 1
        return done


class Listener(Generic[Value]):
    """A callback of the program, until it is ended."""

    def __init__(self, callback: Callable[[Value], None]) -> None:
        self._callback = callback
        self._state = threading.Condition()
        self._ended = False
        self._runner: threading.Thread | None = None
        self._is_busy = False
        self._next: Callable[[], None] | None = None

    def begin(self) -> None:
        """Say that a delivery to this listener is under way."""
        with self._state:
            self._is_busy = True

    def rest(self) -> None:
        """Say that it has been taken, or never will be, and do what waits for that."""
        with self._state:
            self._is_busy, function, self._next = False, self._next, None
        if function is not None:
            function()

    def at_rest(self, function: Callable[[], None]) -> None:
        """Call `function` once no delivery is under way: now, or on the thread that ends the one that is."""
        with self._state:
            if self._is_busy:
                self._next = function
                return
        function()

    def run(self, value: Value, taken: Callable[[], None]) -> None:
        """Call the callback, on this thread, unless it is ended; then say that the value was taken."""
        with self._state:
            if self._ended:
                return
            self._runner = threading.current_thread()
        try:
            self._callback(value)
        finally:
            with self._state:
                self._runner = None
                self._state.notify_all()
            taken()

    @property
    def is_over(self) -> bool:
        """Whether it is ended, and no thread is in its callback any more."""
        with self._state:
            return self._ended and self._runner is None

    def end(self) -> None:
        """Begin no callback from now on."""
        with self._state:
            self._ended = True

    def wait(self, until_s: float) -> None:
        """Wait for a callback that another thread is in, until `time.monotonic()` is `until_s` at most."""
        with self._state:
            self._state.wait_for(
                lambda: self._runner in (None, threading.current_thread()), max(until_s - time.monotonic(), 0)
            )


class Courier:
    """A thread that calls `deliver`, so that one that blocks stops no sync, and one that raises stops nothing."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._parcels: queue.SimpleQueue[tuple[Callable[[], None], Callable[[], None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="crdt-sync-courier", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def send(self, listener: Listener[Value], value: Value, taken: Callable[[], None]) -> None:
        """Have `listener` run with `value`; `taken` is called once it has, or never will."""
        self._parcels.put((partial(listener.run, value, taken), taken))

    def stop(self) -> None:
        """Take no more, and end when the last call of `deliver` does; wait for nothing."""
        self._parcels.put(None)

    def _work(self) -> None:
        while (parcel := self._parcels.get()) is not None:
            callback, taken = parcel
            try:
                self._deliver(callback)
            except BaseException:  # the program's own code; the next news is tried again
                logger.exception("a callback could not be delivered")
                taken()
