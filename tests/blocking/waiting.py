"""Bounded waits of tests that have threads and no loop."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WAIT_S = 20.0


def until(condition: Callable[[], object], what: str = "it") -> None:
    """Return once `condition()` holds; fail if that takes too long."""
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, f"{what} did not come"
        time.sleep(0.005)


@contextmanager
def frozen(process: int) -> Iterator[None]:
    """Stop a process in its tracks, with its sockets open, while the block lasts."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)
