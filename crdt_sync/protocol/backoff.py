"""How long to wait before the next attempt to connect."""

from __future__ import annotations

from collections.abc import Callable, Iterator

__all__ = ["backoff"]


def backoff(random: Callable[[], float]) -> Iterator[float]:
    """Yield delays in seconds without end: full jitter below 1, 2, 4, 8, then 16 s.

    `random` returns a float in [0, 1). Make a new generator only after a *completed sync*: a server that accepts
    and drops at once must not be asked faster and faster. Source: "Exponential Backoff And Jitter", AWS, 2015.
    """
    ceiling_s = 1
    while True:
        yield random() * ceiling_s
        ceiling_s = min(ceiling_s * 2, 16)
