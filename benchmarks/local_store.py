"""What does a durable edit cost beside a bare SQLite commit of the same bytes; how fast does a large library answer?"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Literal

import anyio

from benchmarks.common import save
from crdt_sync import open_library
from crdt_sync.document import AddHighlight, Anchor, EditHighlight
from crdt_sync.storage.store import LibraryStore

EDITS = 1000
LARGE = 100_000
CHAPTERS = 1189


def each_us(work: Callable[[int], object], count: int = EDITS) -> tuple[float, float]:
    """Return the medians of `count` calls, in microseconds: by the clock, and of this process's processor time."""
    clock, busy = [], []
    for number in range(count):
        used, began = time.process_time(), time.perf_counter()
        work(number)
        clock.append((time.perf_counter() - began) * 1e6)
        busy.append((time.process_time() - used) * 1e6)
    return round(median(clock), 1), round(median(busy), 1)


def bare(path: Path, durability: str, data: bytes) -> tuple[float, float]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {durability.upper()}")
    connection.execute("CREATE TABLE log (seq INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB)")

    def commit(number: int) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO log (data) VALUES (?)", (data,))
        connection.execute("COMMIT")

    cost = each_us(commit)
    connection.close()
    return cost


def anchor(number: int) -> Anchor:
    return Anchor.verse(f"Gen.{number % 50}.{number % 31}", work="Bible.KJV", quote="In the beginning God created")


def place(number: int) -> Anchor:
    """Spread over as many chapters as the Bible has: 84 highlights in each of 1,189."""
    chapter = number % CHAPTERS
    source = f"Book{chapter % 66}.{chapter // 66 + 1}.{number % 31 + 1}"
    return Anchor.verse(source, work="Bible.KJV", quote="In the beginning God created")


def edits(folder: Path, durability: Literal["full", "normal"]) -> dict[str, Any]:
    """Edits on the worker's thread, and through the public call, beside the bare commit."""
    store = LibraryStore(folder / f"{durability}.sqlite3", durability=durability)
    added = each_us(lambda number: store.edit(AddHighlight(anchor(number), id=f"h{number}")))
    changed = each_us(lambda number: store.edit(EditHighlight(f"h{number}", color=f"color {number}")))
    (row,) = store._connection.execute("SELECT data FROM updates ORDER BY seq DESC LIMIT 1").fetchone()
    store.close()

    async def public() -> float:
        times = []
        async with open_library(folder / f"{durability}-public.sqlite3", durability=durability) as library:
            for number in range(EDITS):
                began = time.perf_counter()
                await library.add_highlight(anchor(number))
                times.append((time.perf_counter() - began) * 1e6)
        return round(median(times), 1)

    base = bare(folder / f"{durability}-bare.sqlite3", durability, row)
    called = anyio.run(public)
    return {
        f"{durability}: bare commit, µs": base[0],
        f"{durability}: change a colour, µs (ratio)": f"{changed[0]} ({changed[0] / base[0]:.1f}x)",
        f"{durability}: add a highlight, µs (ratio)": f"{added[0]} ({added[0] / base[0]:.1f}x)",
        f"{durability}: add through the public call, µs (ratio)": f"{called} ({called / base[0]:.1f}x)",
        f"{durability}: µs of the processor, bare commit, colour, add": (base[1], changed[1], added[1]),
    }


def large(folder: Path) -> dict[str, Any]:
    """A library of 100,000 highlights: open it, ask it, load its document."""
    path = folder / "large.sqlite3"
    store = LibraryStore(path, durability="normal")
    for start in range(0, LARGE, 1000):
        store.edit(*(AddHighlight(place(number), id=f"h{number}") for number in range(start, start + 1000)))
    store.compact()
    store.close()
    opened, first, loaded = [], [], []
    for _ in range(5):
        began = time.perf_counter()
        store = LibraryStore(path, durability="normal")
        opened.append((time.perf_counter() - began) * 1e3)
        began = time.perf_counter()
        found = store.read.highlights(work="Bible.KJV", within="Book7.7")
        first.append((time.perf_counter() - began) * 1e3)
        began = time.perf_counter()
        store.load()
        loaded.append((time.perf_counter() - began) * 1e3)
        chapter = each_us(lambda _, read=store.read: read.highlights(within="Book7.7"), 200)
        of_work = each_us(lambda _, read=store.read: read.highlights(work="Bible.KJV", within="Book7.7"), 200)
        store.close()
    return {
        "100,000 highlights: open, ms": round(median(opened), 1),
        f"100,000 highlights: first answer after opening, a chapter of {len(found)}, ms": round(median(first), 2),
        "100,000 highlights: a chapter, µs": chapter[0],
        "100,000 highlights: a chapter of one work, µs": of_work[0],
        "100,000 highlights: load the document, ms": round(median(loaded)),
        "100,000 highlights: the file, MB": round(path.stat().st_size / 1e6, 1),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save("local_store", {**edits(folder, "normal"), **edits(folder, "full"), **large(folder)})
