"""Plain pycrdt as a program of `benchmarks/engine.py`: a Doc, and its updates appended to a table with fsync.

It is what one writes in an afternoon: no index, no events, no check of what comes in. Its log begins with the whole
document, as after a compaction.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from pycrdt import Doc, Map

from benchmarks.engine_task import COUNT, EACH_SIDE, EDITS, QUERIES, QUOTE, WITHIN, WORK, source_of
from crdt_sync.document import Anchor


class Plain:
    """A document and its log."""

    def __init__(self, path: Path, synchronous: str = "FULL") -> None:
        self.log = sqlite3.connect(path, isolation_level=None)
        self.log.execute("PRAGMA journal_mode = WAL")
        self.log.execute(f"PRAGMA synchronous = {synchronous}")
        self.log.execute("CREATE TABLE IF NOT EXISTS updates (seq INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB)")
        self.doc: Doc[Any] = Doc()
        with self.doc.transaction():
            for (data,) in self.log.execute("SELECT data FROM updates ORDER BY seq").fetchall():
                self.doc.apply_update(data)
        self.highlights, self.fields = self.doc.get("highlights", type=Map), self.doc.get("fields", type=Map)
        self._made: list[bytes] = []
        self._subscription = self.doc.observe(lambda event: self._made.append(event.update))

    def commit(self) -> None:
        """Append what the last transaction made."""
        self.log.executemany("INSERT INTO updates (data) VALUES (?)", [(update,) for update in self._made])
        self._made.clear()

    def compact(self) -> None:
        """Put the whole document in the place of the log."""
        self.log.execute("BEGIN")
        self.log.execute("DELETE FROM updates")
        self.log.execute("INSERT INTO updates (data) VALUES (?)", (self.doc.get_update(),))
        self.log.execute("COMMIT")
        self.log.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def write(self, number: int) -> None:
        """Write a highlight; call it in a transaction of the document."""
        item_id, now_ms = f"{number:032x}", time.time_ns() // 1_000_000
        self.highlights[item_id] = {
            "anchor": Anchor.verse(source_of(number), work=WORK, quote=QUOTE).to_json(),
            "createdAt": now_ms,
            "createdBy": "",
        }
        self.fields[f"{item_id}/color"] = "yellow"
        self.fields[f"{item_id}/style"] = "highlight"
        self.fields[f"{item_id}/updatedAt"] = now_ms

    def add(self, number: int) -> None:
        """Add a highlight, durably."""
        with self.doc.transaction():
            self.write(number)
        self.commit()

    def chapter(self) -> list[Any]:
        """Return the highlights of a chapter, by looking at them all."""
        prefix = f"{WITHIN}."
        every: dict[str, Any] = self.highlights.to_py() or {}
        return [value for value in every.values() if value["anchor"]["source"].startswith(prefix)]


def fill(path: Path, count: int) -> None:
    plain = Plain(path, "OFF")
    with plain.doc.transaction():
        for number in range(count):
            plain.write(number)
    plain.compact()
    plain.log.close()


def build(folder: Path) -> None:
    fill(folder / "library.sqlite3", COUNT)
    fill(folder / "common.sqlite3", EACH_SIDE)
    for side in (1, 2):
        path = folder / f"side{side}.sqlite3"
        shutil.copy(folder / "common.sqlite3", path)
        plain = Plain(path, "OFF")
        for number in range(EACH_SIDE):
            if number % 2:
                plain.fields[f"{number:032x}/color"] = f"color {side}"
                plain.commit()
            else:
                plain.add(side * 1_000_000 + number)
        plain.log.close()


def measure(folder: Path) -> dict[str, Any]:
    memory_mb = psutil.Process().memory_info().rss / 1e6
    began = time.perf_counter()
    plain = Plain(folder / "library.sqlite3")
    loaded_s = time.perf_counter() - began
    loaded_mb = psutil.Process().memory_info().rss / 1e6
    found = plain.chapter()
    opened_s = time.perf_counter() - began
    queries, edits = [], []
    for _ in range(QUERIES):
        began = time.perf_counter()
        plain.chapter()
        queries.append(time.perf_counter() - began)
    for number in range(COUNT, COUNT + EDITS):
        began = time.perf_counter()
        plain.add(number)
        edits.append(time.perf_counter() - began)
    return {
        "found": len(found),
        "open_ms": opened_s * 1e3,
        "query_ms": median(queries) * 1e3,
        "first_edit_ms": loaded_s * 1e3 + edits[0] * 1e3,
        "edit_us": median(edits[1:]) * 1e6,
        "mb_per_10000": (loaded_mb - memory_mb) / COUNT * 10_000,
    }


def catch_up(folder: Path) -> dict[str, Any]:
    sides = []
    for side in (1, 2):
        copy = folder / f"copy{side}.sqlite3"
        shutil.copy(folder / f"side{side}.sqlite3", copy)
        sides.append(Plain(copy))
    one, two = sides
    began = time.perf_counter()
    for_two, for_one = one.doc.get_update(two.doc.get_state()), two.doc.get_update(one.doc.get_state())
    two.doc.apply_update(for_two)
    two.commit()
    one.doc.apply_update(for_one)
    one.commit()
    seconds = time.perf_counter() - began
    assert len(one.highlights) == len(two.highlights) == 2 * EACH_SIDE
    return {"catch_up_s": seconds}


if __name__ == "__main__":
    step, place = sys.argv[1], Path(sys.argv[2])
    if step == "build":
        build(place)
    else:
        print(json.dumps(measure(place) if step == "measure" else catch_up(place)))
