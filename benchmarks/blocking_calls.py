"""What it costs to have no event loop: calls, asynchronous and blocking, and news on its way to the program."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import anyio

from benchmarks.common import save
from crdt_sync import Anchor, blocking, open_library

CALLS = 2_000
EDITS = 400
VERSE = Anchor.verse("Gen.1.1", work="Bible.KJV", quote="In the beginning")


def microseconds(times_s: list[float]) -> float:
    """Return the median, in microseconds."""
    return round(median(times_s) * 1e6, 1)


def timed(call: Callable[[], object], count: int) -> float:
    """Return how long one call takes."""
    times_s = []
    for _ in range(count):
        began_s = time.perf_counter()
        call()
        times_s.append(time.perf_counter() - began_s)
    return microseconds(times_s)


def asynchronous(folder: Path, backend: str) -> dict[str, float]:
    """Measure from inside the loop."""

    async def measure() -> dict[str, float]:
        async with open_library(folder / f"async-{backend}", durability="normal") as library:
            figures = {}
            for name, call, count in (
                ("counts_us", library.counts, CALLS),
                ("add_highlight_us", lambda: library.add_highlight(VERSE), EDITS),
            ):
                times_s = []
                for _ in range(count):
                    began_s = time.perf_counter()
                    await call()
                    times_s.append(time.perf_counter() - began_s)
                figures[name] = microseconds(times_s)
            return figures

    return anyio.run(measure, backend=backend)


def from_outside(folder: Path, backend: blocking.Backend) -> dict[str, float]:
    """Measure from the main thread, and from the edit to its callback there."""
    queue = blocking.CallbackQueue()
    with blocking.open_library(
        folder / f"blocking-{backend}", durability="normal", backend=backend, deliver=queue.put
    ) as library:
        figures = {
            "counts_us": timed(library.counts, CALLS),
            "add_highlight_us": timed(lambda: library.add_highlight(VERSE), EDITS),
        }
        told: list[object] = []
        library.on_change(told.append)

        def edit_and_hear() -> None:
            told.clear()
            library.add_highlight(VERSE)
            while not told:
                queue.wait()
                queue.drain()

        figures["add_highlight_and_its_callback_us"] = timed(edit_and_hear, EDITS)
        return figures


def main() -> None:
    """Measure and save."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save(
            "blocking_calls",
            {
                f"{way.__name__}_{backend}": way(folder, backend)
                for backend in ("asyncio", "trio")
                for way in (asynchronous, from_outside)
            },
        )


if __name__ == "__main__":
    main()
