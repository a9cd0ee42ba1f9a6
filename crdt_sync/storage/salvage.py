"""Makes a new library of all that can still be read of a damaged one. The damaged file is only read.

Trust goes down in this order: an update whose checksum is right and which fits; one whose checksum is right and whose
predecessor is lost, which waits in the new file; an item that stands only in the tables for queries, which is kept in
the new file and written into the library on the user's word alone (`docs/files.md` says why).
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from crdt_sync.errors import NotALibrary, StorageError
from crdt_sync.protocol.fitting import in_fitting_order
from crdt_sync.storage.binding import Binding
from crdt_sync.storage.carve import Found, find
from crdt_sync.storage.database import size_of, translated, wal_of
from crdt_sync.storage.store import LibraryStore
from crdt_sync.storage.whole_files import check_free, put_in_place

__all__ = ["Repaired", "repair"]


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair gave. `findings` say what was wrong with the file that was read.

    `updates` were read and are in the new library, which has `highlights` and `notes`; `waiting` updates lack a
    predecessor and are taken once a sync or an export has brought it; `rescued` items stood in the old tables otherwise
    than the new library has them. All of it counts as not saved on any relay: `pending` edits.
    """

    findings: tuple[str, ...]
    updates: int
    highlights: int
    notes: int
    waiting: int
    rescued: int
    pending: int
    binding: Binding | None


def repair(path: Path, into: Path, *, any_version: bool = False) -> Repaired:
    """Make the new library `into` of what can be read of `path`, durably and whole or not at all.

    `any_version` reads a file that says that a newer version made it: a flipped bit can say so too. Raises
    `StorageError` if `into` is there already, `path` is not, or nothing of a library is in it.
    """
    for each in (into, wal_of(into), into.with_name(f"{into.name}-journal")):  # SQLite would take what is in an old log
        check_free(each)
    if not path.is_file() and not size_of(wal_of(path)):
        raise StorageError(f"there is no file {path}")
    with translated(into), tempfile.TemporaryDirectory(prefix=f".{into.name}.", dir=into.parent) as scratch:
        found = find(path, Path(scratch), any_version=any_version)
        if not found.updates and not found.items and found.findings:
            raise NotALibrary(f"nothing of a library was found in {path}; nothing was made")
        draft = Path(scratch) / "new.sqlite3"
        store = LibraryStore(draft)
        try:
            repaired = _fill(store, found)
        finally:
            store.close()
        put_in_place(draft, into)
    return repaired


def _fill(store: LibraryStore, found: Found) -> Repaired:
    fitting, waiting = in_fitting_order(found.updates, {})
    failure = store.apply_updates(fitting, "repair").failure
    if failure is not None:
        raise failure
    store.compact()
    rescued = [item for item in found.items if store.read.item(item.id) != item]
    rescued += [item for item in found.rescued if store.read.item(item.id) != item]
    store.keep_aside(found.binding, found.edits_made, waiting, rescued, found.versions)
    store.verify()
    counts = store.read.counts()
    return Repaired(
        findings=found.findings,
        updates=len(fitting),
        highlights=counts.highlights,
        notes=counts.notes,
        waiting=len(waiting),
        rescued=len(store.rescued()),
        pending=store.pending,
        binding=found.binding,
    )
