"""How long does a reader's old life take to come in, and how much memory? A large file of each device.

Each step is a process of its own, so that its peak of memory is its own. An import is one edit, all or nothing, so the
document, its update and the records are in memory together; the reader of the clippings alone holds none of them. The
bounds are asserted: a run that breaks one fails.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

from benchmarks.common import save
from crdt_sync import open_library
from crdt_sync.interchange import lua
from crdt_sync.interchange.registry import reader_for
from tests.interchange.devices import clipping, kobo

TEXT = (
    "the lighthouse keeper wrote down every ship that passed and what it carried until nobody asked him any more and "
    "the book went on without ships"
)
WORDS = TEXT.split()
BOOKS = 400
BOUNDS = {"import, s of the processor": 60.0, "again, s of the processor": 30.0, "read alone, MB more": 100.0}
"""Of the processor: what else runs on the machine does not count. The aim for an import is 30 s on a quiet one."""


def words(number: int) -> str:
    """Return a passage of some 25 words, like no other."""
    return f"{number} " + " ".join(WORDS[(number * step) % len(WORDS)] for step in range(1, 25))


def kindle_file(folder: Path, count: int) -> Path:
    """Make clippings of 400 books, a tenth of them notes."""
    path = folder / "My Clippings.txt"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        for number in range(count):
            book, day, at = number % BOOKS, number % 28 + 1, 100 + number // BOOKS * 7
            is_note = number // BOOKS % 10 == 9
            kind, place = ("Note", f"{at - 4}") if is_note else ("Highlight", f"{at}-{at + 3}")
            file.write(
                clipping(
                    f"- Your {kind} on page {at // 9} | location {place} | "
                    f"Added on Monday, {day} June 2026 {number % 24:02}:{number % 60:02}:07",
                    words(number),
                    f"Book {book} of the Shelf (Author {book}, Ann)",
                )
            )
    return path


def koreader_file(folder: Path, count: int) -> Path:
    entries = [
        {
            "chapter": f"Chapter {number // 100}", "color": "yellow", "drawer": "lighten", "pageno": number // 10,
            "datetime": f"2026-01-{number % 28 + 1:02} {number % 24:02}:{number % 60:02}:08", "text": words(number),
            "page": f"/body/DocFragment[{number // 100}]/body/p[{number % 100}]/text().0",
            "pos0": f"/body/DocFragment[{number // 100}]/body/p[{number % 100}]/text().0",
            "pos1": f"/body/DocFragment[{number // 100}]/body/p[{number % 100}]/text().90",
        }
        for number in range(count)
    ]  # fmt: skip
    path = folder / "metadata.epub.lua"
    path.write_text(lua.dumps({"annotations": entries, "doc_props": {"title": "A Long Book"}}), encoding="utf-8")
    return path


CASES: dict[str, tuple[Callable[[Path, int], Path], int]] = {
    "kindle": (kindle_file, 100_000),
    "koreader": (koreader_file, 10_000),
    "kobo": (lambda folder, count: kobo(folder / "KoboReader.sqlite", count=count), 10_000),
}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def read_alone(path: Path) -> dict[str, float]:
    reader = reader_for(path)
    next(iter(reader.read(path)))  # what is imported at the first use is not counted
    before, began = peak_mb(), time.perf_counter()
    count = sum(1 for _ in reader.read(path))
    took = time.perf_counter() - began
    return {"records": count, "read alone, s": round(took, 1), "read alone, MB more": round(peak_mb() - before, 1)}


async def import_into(library_path: Path, path: Path, said: str) -> dict[str, float]:
    async with open_library(library_path) as library:
        before, began, busy = peak_mb(), time.perf_counter(), time.process_time()
        report = await library.import_file(path)
        took, busy = time.perf_counter() - began, time.process_time() - busy
        assert len(report.added) + len(report.there) > 0
        assert said == "import, s" or not report.added
    return {
        said: round(took, 1),
        f"{said} of the processor": round(busy, 1),
        said.replace(", s", ", MB more"): round(peak_mb() - before),
    }


def step(name: str, *paths: str) -> dict[str, float]:
    """Run one step in this process."""
    match name:
        case "read":
            return read_alone(Path(paths[0]))
        case "import" | "again":
            return anyio.run(import_into, Path(paths[1]), Path(paths[0]), f"{name}, s")
    raise ValueError(name)


def measured(name: str, *paths: Path) -> dict[str, Any]:
    """Run one step in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.imports", name, *map(str, paths)], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main(share: float) -> None:
    figures: dict[str, Any] = {}
    broken = []
    for name, (make, count) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = make(Path(folder), int(count * share))
            library = Path(folder) / "library.sqlite3"
            found = {"file, MB": round(path.stat().st_size / 1e6, 1), **measured("read", path)}
            found |= measured("import", path, library)
            found["library, MB"] = round(library.stat().st_size / 1e6, 1)
            found |= measured("again", path, library)
        print(name, found, file=sys.stderr, flush=True)
        figures |= {f"{name}: {what}": value for what, value in found.items()}
        broken += [(name, what, found[what]) for what, bound in BOUNDS.items() if found[what] > bound]
    if share == 1:
        save("imports", figures)
    else:
        print(figures)
    assert not broken, broken


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print(json.dumps(step(*sys.argv[1:])))
    else:
        main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
