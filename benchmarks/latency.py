"""How long until a highlight made on one device stands, durably, in the file of another?"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import anyio

from benchmarks.common import LOAD_CORE, SERVER_CORE, pin, save
from crdt_sync import Anchor, open_library
from tests.relay import RelayProcess

COUNT = 500


async def measure(folder: Path, relay: RelayProcess) -> list[float]:
    times_ms = []
    async with (
        open_library(folder / "a", relay=relay.url, room="room") as a,
        open_library(folder / "b", relay=relay.url, room="room") as b,
        b.changes() as feed,
    ):
        assert await a.synced(10)
        assert await b.synced(10)
        for number in range(COUNT + 50):
            began = time.perf_counter()
            await a.add_highlight(Anchor.verse(f"Gen.1.{number}", work="Bible.KJV"))
            await feed.take()
            times_ms.append((time.perf_counter() - began) * 1e3)
        assert len(await b.highlights()) == COUNT + 50
    return sorted(times_ms[50:])


async def connect(folder: Path, relay: RelayProcess) -> list[float]:
    times_ms = []
    for number in range(20):
        began = time.perf_counter()
        async with open_library(folder / f"c{number}", relay=relay.url, room="room") as library:
            assert await library.synced(10)
            times_ms.append((time.perf_counter() - began) * 1e3)
    return sorted(times_ms)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        relay = RelayProcess(Path(name) / "relay")
        with relay:
            if pin(SERVER_CORE) is not None:
                os.sched_setaffinity(relay.pid, {SERVER_CORE})
                os.sched_setaffinity(0, {LOAD_CORE})
            times = anyio.run(measure, Path(name), relay)
            opened = anyio.run(connect, Path(name), relay)
        save(
            "latency",
            {
                "device to device, all three durable: p50, ms": round(times[len(times) // 2], 2),
                "device to device, all three durable: p99, ms": round(times[len(times) * 99 // 100], 2),
                "open, connect and sync with 550 highlights there: p50, ms": round(opened[len(opened) // 2], 1),
                "open, connect and sync with 550 highlights there: max, ms": round(opened[-1], 1),
            },
        )
