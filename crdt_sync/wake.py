"""How another thread reaches an event loop, asyncio's or trio's, without waiting for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio.lowlevel

__all__ = ["waker"]


def waker() -> Callable[[Callable[[], object]], None]:
    """Return what has a function run soon on the loop that runs now. Any thread may call it, in any state of its own.

    What is handed over in order runs in order. Once the loop has ended nobody waits any more, and nothing is run.
    """
    native: Any = anyio.lowlevel.current_token().native_token
    soon: Callable[[Callable[[], object]], object] = getattr(native, "call_soon_threadsafe", None) or (
        native.run_sync_soon  # trio
    )

    def wake(function: Callable[[], object]) -> None:
        try:
            soon(function)
        except RuntimeError:  # the loop has ended
            return

    return wake
