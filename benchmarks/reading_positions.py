"""What a year of reading leaves in a library: a place at most once a minute, an hour each day, on two devices."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import save
from crdt_sync.document.anchors import Anchor
from crdt_sync.storage.store import LibraryStore

DAYS = 365
MINUTES = 60
DEVICES = 2


def year(folder: Path) -> dict[str, Any]:
    """Read for a year, each day in an opening of its own; the devices exchange what they have every evening."""
    paths = [folder / f"device {number}" for number in range(DEVICES)]
    written = 0
    for day in range(DAYS):
        for path in paths:
            store = LibraryStore(path, durability="normal")
            for minute in range(MINUTES):
                at = (day * MINUTES + minute) / (DAYS * MINUTES)
                store.set_position("urn:isbn:9780141439518", Anchor(source=f"chapter{day}.xhtml", progression=at))
                written += store.write_positions().appended
            store.close()
        stores = [LibraryStore(path, durability="normal") for path in paths]
        for one, other in (stores, stores[::-1]):
            one.apply_updates(other.diff(one.state_vector()).updates, "evening")
        for store in stores:
            store.close()
    store = LibraryStore(paths[0], durability="normal")
    store.compact()
    store.vacuum()
    document = sum(map(len, store.diff(b"\x00").updates))
    vector = len(store.state_vector())
    store.close()
    return {
        "places written into the document, two devices": written,
        "the document, bytes": document,
        "a year, bytes for each place": round(document / written, 2),
        "the state vector, bytes": vector,
        "the file, compacted, bytes": paths[0].stat().st_size,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        save("reading_positions", year(Path(name)))
