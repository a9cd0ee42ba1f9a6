"""The relay's store: many rooms loaded at once, and appends to one room while a large other one is put together.

Loads: 5,000 rooms that are not there, then 5,000 small ones, all asked for at once. Beside: appends of 100 bytes, 300 a
second, while 100 MB are stored for another room (over a log of 20,000 updates), stored again (over the first
100 MB) and deleted. Import: what a process has paid, in seconds and memory, once it has imported the relay.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import rounds, save
from benchmarks.figures import spread
from crdt_sync_server.stores.sqlite import SqliteStore

ROOMS, UPDATES_EACH, UPDATE_BYTES = 5_000, 20, 100
SEGMENTS, SEGMENT_BYTES = 100, 1_000_000
LOG_LENGTH = 20_000
APPEND_EVERY_S = 0.003
IMPORT = """
import time
began = time.perf_counter()
import crdt_sync_server.cli.app
took_s = time.perf_counter() - began
import json, psutil
print(json.dumps({"import_s": took_s, "mb": psutil.Process().memory_info().rss / 2**20}))
"""


async def load_all(store: SqliteStore, name: str) -> float:
    """Return how long it takes until all rooms are loaded that were asked for at once, in seconds."""
    began = time.perf_counter()
    await asyncio.gather(*(store.load(f"{name} {number}") for number in range(ROOMS)))
    return time.perf_counter() - began


async def loads(folder: Path) -> dict[str, float]:
    """Load rooms that are not there, and rooms that are."""
    store = await SqliteStore.open(folder / "rooms", durability="normal")
    absent_s = await load_all(store, "absent")
    for _ in range(UPDATES_EACH):
        await asyncio.gather(*(store.append(f"small {number}", os.urandom(UPDATE_BYTES)) for number in range(ROOMS)))
    small_s = await load_all(store, "small")
    await store.close()
    return {"absent_s": absent_s, "small_s": small_s}


async def beside(store: SqliteStore, work: Awaitable[Any]) -> dict[str, float]:
    """Return how long appends to another room take while `work` is done, and how long that takes."""
    took_s: list[float] = []

    async def append() -> None:
        asked = time.perf_counter()
        await store.append("other", os.urandom(UPDATE_BYTES))
        took_s.append(time.perf_counter() - asked)

    began = time.perf_counter()
    task = asyncio.ensure_future(work)
    async with asyncio.TaskGroup() as group:
        while not task.done():
            group.create_task(append())
            await asyncio.sleep(APPEND_EVERY_S)
        await task
        work_s = time.perf_counter() - began
    return {"work_s": work_s, "appends": len(took_s), **spread(took_s)}


async def appends(folder: Path) -> dict[str, dict[str, float]]:
    """Append beside each of the long works, and beside none."""
    store = await SqliteStore.open(folder / "large", durability="full")
    written = await asyncio.gather(*(store.append("room", os.urandom(UPDATE_BYTES)) for _ in range(LOG_LENGTH)))
    segments = [os.urandom(SEGMENT_BYTES) for _ in range(SEGMENTS)]
    found = {
        "alone": await beside(store, asyncio.sleep(2)),
        "100 MB over a log": await beside(store, store.compact("room", segments, max(written))),
        "100 MB over 100 MB": await beside(store, store.compact("room", segments, max(written))),
        "deleted": await beside(store, store.delete("room")),
    }
    await store.close()
    return found


def imported() -> dict[str, float]:
    """Return what importing the relay costs a process of its own."""
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    raw: dict[str, list[dict[str, Any]]] = {}
    for round_ in range(rounds() + 1):  # the first warms up
        with tempfile.TemporaryDirectory() as folder:
            reports = {
                "loads": asyncio.run(loads(Path(folder))),
                **asyncio.run(appends(Path(folder))),
                "import": imported(),
            }
        for name, report in reports.items():
            if round_:
                raw.setdefault(name, []).append(report)
            print(f"{round_} {name:20} {json.dumps(report)}", flush=True)
    medians = {
        name: {key: float(f"{median(report[key] for report in reports):.4g}") for key in reports[0]}
        for name, reports in raw.items()
    }
    save("relay_store", {"medians": medians, "rounds": raw})


if __name__ == "__main__":
    main()
