"""100,000 connections come and go: what the relay's memory is after 50,000 of them and after all.

They come from several processes, over 400 rooms, and go in every way there is (`tests/churn.py`). It fails if memory
grew by more than `MOST_GROWTH_MB` over the second half.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.common import save
from tests.churn import churn
from tests.hostile import Bystanders, memory_bytes, open_sockets
from tests.relay import RelayProcess

CONNECTIONS = 100_000
PROCESSES = 3
MOST_GROWTH_MB = 5.0
"""A connection that stays costs some 50 kB: one in 500 that was kept would show."""


def wave(pool: ProcessPoolExecutor, port: int, first: int, count: int) -> None:
    """Let `count` connections come and go, from all processes."""
    each = count // PROCESSES + 1
    jobs = [
        pool.submit(churn, port, start, min(each, first + count - start)) for start in range(first, first + count, each)
    ]
    for job in jobs:
        job.result()


def main() -> None:
    marks: dict[int, float] = {}
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        RelayProcess(Path(folder)) as relay,
        ProcessPoolExecutor(PROCESSES) as pool,
    ):
        for done in range(0, CONNECTIONS, CONNECTIONS // 10):
            with Bystanders(relay, every_s=0.2) as bystanders:
                wave(pool, relay.port, done, CONNECTIONS // 10)
            marks[done + CONNECTIONS // 10] = memory_bytes(relay) / 1e6
            print(f"{done + CONNECTIONS // 10:7} {marks[done + CONNECTIONS // 10]:8.2f} MB", flush=True)
        slowest_s = bystanders.slowest_s
        seconds = time.monotonic() - began
        threading.Event().wait(2)
        sockets = open_sockets(relay)
    growth_mb = marks[CONNECTIONS] - marks[CONNECTIONS // 2]
    save(
        "churn",
        {
            "connections": CONNECTIONS,
            "seconds": round(seconds, 1),
            "MB after": {str(count): round(size, 2) for count, size in marks.items()},
            "MB grown in the second half": round(growth_mb, 2),
            "open files at the end": sockets,
            "slowest word of the bystanders, ms": round(slowest_s * 1e3, 1),
        },
    )
    if growth_mb > MOST_GROWTH_MB:
        sys.exit(f"memory grew by {growth_mb:.1f} MB, more than {MOST_GROWTH_MB} MB")


if __name__ == "__main__":
    main()
