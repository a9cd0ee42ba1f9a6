"""crdt-sync as a program of `benchmarks/engine.py`: `build FOLDER`, `measure FOLDER`, `catch_up FOLDER`."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import anyio
import psutil

from benchmarks.engine_task import COUNT, EACH_SIDE, EDITS, QUERIES, QUOTE, WITHIN, WORK, source_of
from crdt_sync import Anchor, open_library
from crdt_sync.document import AddHighlight, Edit, EditHighlight
from crdt_sync.storage.store import LibraryStore


def add(number: int) -> AddHighlight:
    return AddHighlight(Anchor.verse(source_of(number), work=WORK, quote=QUOTE), id=f"{number:032x}")


def build(folder: Path) -> None:
    """Make the library of `measure`, and the two that have been offline."""
    fill(folder / "library.sqlite3", COUNT)
    fill(folder / "common.sqlite3", EACH_SIDE)
    for side in (1, 2):
        path = folder / f"side{side}.sqlite3"
        shutil.copy(folder / "common.sqlite3", path)
        store = LibraryStore(path, durability="normal")
        for number in range(EACH_SIDE):
            edit: Edit = add(side * 1_000_000 + number)
            if number % 2:
                edit = EditHighlight(f"{number:032x}", color=f"color {side}")
            store.edit(edit)
        store.close()


def fill(path: Path, count: int) -> None:
    store = LibraryStore(path, durability="normal")
    for start in range(0, count, 1000):
        store.edit(*(add(number) for number in range(start, start + 1000)))
    store.compact()
    store.close()


async def measure(folder: Path) -> dict[str, Any]:
    """Open the library, ask it, change it."""
    memory_mb = psutil.Process().memory_info().rss / 1e6
    began = time.perf_counter()
    async with open_library(folder / "library.sqlite3") as library:
        found = await library.highlights(within=WITHIN)
        opened_s = time.perf_counter() - began
        queries, edits = [], []
        for _ in range(QUERIES):
            began = time.perf_counter()
            await library.highlights(within=WITHIN)
            queries.append(time.perf_counter() - began)
        began = time.perf_counter()
        await library.edit(add(COUNT))
        first_s = time.perf_counter() - began
        loaded_mb = psutil.Process().memory_info().rss / 1e6
        for number in range(COUNT + 1, COUNT + EDITS):
            began = time.perf_counter()
            await library.edit(add(number))
            edits.append(time.perf_counter() - began)
    return {
        "found": len(found),
        "open_ms": opened_s * 1e3,
        "query_ms": median(queries) * 1e3,
        "first_edit_ms": first_s * 1e3,
        "edit_us": median(edits) * 1e6,
        "mb_per_10000": (loaded_mb - memory_mb) / COUNT * 10_000,
    }


def catch_up(folder: Path) -> dict[str, Any]:
    """Exchange what each side lacks, durably."""
    sides = []
    for side in (1, 2):
        copy = folder / f"copy{side}.sqlite3"
        shutil.copy(folder / f"side{side}.sqlite3", copy)
        sides.append(LibraryStore(copy, durability="full"))
        sides[-1].load()
    one, two = sides
    began = time.perf_counter()
    for_two, for_one = one.diff(two.state_vector()).updates, two.diff(one.state_vector()).updates
    assert two.apply_updates(for_two, "one").failure is None
    assert one.apply_updates(for_one, "two").failure is None
    seconds = time.perf_counter() - began
    assert one.read.counts() == two.read.counts()
    assert one.read.counts().highlights == 2 * EACH_SIDE
    for store in sides:
        store.close()
    return {"catch_up_s": seconds}


if __name__ == "__main__":
    step, place = sys.argv[1], Path(sys.argv[2])
    if step == "build":
        build(place)
    elif step == "measure":
        print(json.dumps(anyio.run(measure, place)))
    else:
        print(json.dumps(catch_up(place)))
