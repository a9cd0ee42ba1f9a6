"""A library after fifty years: 10,000 client ids and a million edits. Size, opening, editing, syncing; within bounds?

The updates are made by the document's own code (`tests/storage/years.py`) and go into a real file through the store,
which compacts it as it would. The bounds are asserted: a run that breaks one fails. `docs/files.md` states them.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from statistics import median

from benchmarks.common import save
from crdt_sync.document import AddHighlight, Anchor, EditHighlight
from crdt_sync.storage.salvage import repair
from crdt_sync.storage.store import LibraryStore
from tests.storage.years import years

SESSIONS, EDITS_EACH = 10_000, 100
BOUNDS = {
    "the file, bytes for each edit": 250.0,
    "open, ms": 100.0,
    "first query, ms": 100.0,
    "load the document, s": 10.0,
    "one edit, ms": 50.0,
    "state vector, kB": 100.0,
    "sync of ten edits, s": 5.0,
    "compact, s": 60.0,
}


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def build(path: Path, sessions: int) -> tuple[float, float]:
    """Make the file; return how many seconds the edits took to make, and the store to take them."""
    making = taking = 0.0
    store = LibraryStore(path, durability="normal")
    source = years(Random(1), sessions=sessions, edits_each=EDITS_EACH)
    batch: list[bytes] = []
    for session in range(sessions):
        began = time.perf_counter()
        batch.append(next(source))
        making += time.perf_counter() - began
        if len(batch) == 10 or session == sessions - 1:
            taking += timed(partial(store.apply_updates, batch, "years"))
            batch = []
    store.close()
    return making, taking


def measure(folder: Path, sessions: int) -> dict[str, float]:
    path, edits = folder / "years.sqlite3", sessions * EDITS_EACH
    making, taking = build(path, sessions)
    store = LibraryStore(path, durability="normal")
    compacting = timed(lambda: (store.compact(), store.vacuum()))
    counts = store.read.counts()
    store.close()
    opened, queried, loaded = [], [], []
    for _ in range(3):
        began = time.perf_counter()
        store = LibraryStore(path, durability="normal")
        opened.append(time.perf_counter() - began)
        queried.append(timed(partial(store.read.highlights, within="Gen.7", limit=50)))
        loaded.append(timed(store.load))
        store.close()
    store, peer = (LibraryStore(each, durability="normal") for each in (path, folder / "peer.sqlite3"))
    peer.apply_updates(store.diff(b"\x00").updates, "years")
    verse = Anchor.verse("Gen.1.1", work="Bible.KJV", quote="In the beginning")
    edited = [timed(partial(store.edit, AddHighlight(verse, id=f"last{n}"))) for n in range(10)]
    edited += [timed(partial(store.edit, EditHighlight(f"last{n}", color="red"))) for n in range(10)]
    vector = peer.state_vector()

    def sync() -> None:
        assert peer.apply_updates(store.diff(vector).updates, "relay").failure is None
        assert store.apply_updates(peer.diff(store.state_vector()).updates, "relay").failure is None

    synced = timed(sync)
    assert peer.read.counts() == store.read.counts()
    verified = timed(store.verify)
    store.close()
    peer.close()
    size = path.stat().st_size
    repaired = timed(lambda: repair(path, folder / "repaired.sqlite3"))
    return {
        "edits": edits,
        "client ids": sessions,
        "highlights": counts.highlights,
        "notes": counts.notes,
        "the file, MB": round(size / 1e6, 1),
        "the file, bytes for each edit": round(size / edits, 1),
        "open, ms": round(median(opened) * 1e3, 1),
        "first query, ms": round(median(queried) * 1e3, 1),
        "load the document, s": round(median(loaded), 2),
        "one edit, ms": round(median(edited) * 1e3, 2),
        "state vector, kB": round(len(vector) / 1e3, 1),
        "sync of ten edits, s": round(synced, 2),
        "compact, s": round(compacting, 1),
        "verify, s": round(verified, 1),
        "repair, s": round(repaired, 1),
        "made in, s": round(making),
        "taken in, s": round(taking),
    }


if __name__ == "__main__":
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with tempfile.TemporaryDirectory() as name:
        figures = measure(Path(name), int(SESSIONS * share))
    if share == 1:
        save("fifty_years", figures)
    else:
        print(figures)
    broken = {name: (figures[name], bound) for name, bound in BOUNDS.items() if figures[name] > bound}
    assert not broken, broken
