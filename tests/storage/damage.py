"""A library worth damaging: a snapshot in parts, a log, long texts, notes; closed, or as it stands while it is open."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from crdt_sync.document import AddHighlight, AddNote, AppendToNote, EditHighlight, Trash
from crdt_sync.storage import transactions
from crdt_sync.storage.binding import Binding
from tests.storage.opened import GENESIS, opened

BINDING = Binding("wss://relay.example", "ada", "Ada")
PAGE_BYTES = 4096


class Specimen:
    """The bytes of a library's file and its write-ahead log, and the updates in them with all pages they stand in.

    A page is (0, its place in the file) or (1, its place in the write-ahead log).
    """

    def __init__(self, file: bytes, wal: bytes, updates: dict[bytes, set[tuple[int, int]]]) -> None:
        self.file = file
        self.wal = wal
        self.updates = updates

    def write(self, path: Path) -> None:
        path.write_bytes(self.file)
        if self.wal:
            path.with_name(f"{path.name}-wal").write_bytes(self.wal)


def specimen(folder: Path, *, open_: bool) -> Specimen:
    """Make the library; `open_` takes its files while it is open, the newer part in the write-ahead log alone."""
    path = folder / f"specimen-{open_}"
    text = Random(9)
    with pytest.MonkeyPatch.context() as patch, opened(path, random=Random(7), now_ms=lambda: 7, author="Ada") as store:
        patch.setattr(transactions, "SNAPSHOT_PART_BYTES", 2500)
        store.bind(BINDING)
        for number in range(9):
            store.edit(AddHighlight(GENESIS, id=f"early{number}", comment=words(text, number * 25), tags=("t",)))
            store.edit(AddNote(f"note {number}\nof many lines", id=f"note{number}", highlight_id=f"early{number}"))
        store.acknowledge(10)
        store.compact()
        store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with opened(path, random=Random(8), now_ms=lambda: 8, author="Ada") as store:
        for number in range(9):
            store.edit(AddHighlight(GENESIS, id=f"late{number}", comment=words(text, 1500 if number % 5 == 4 else 5)))
            store.edit(EditHighlight(f"early{number}", color="green"), AppendToNote(f"note{number}", "more"))
        store.edit(Trash("early3"))
        with closing(sqlite3.connect(path)) as reader:
            rows = reader.execute("SELECT data FROM snapshots UNION ALL SELECT data FROM updates").fetchall()
        if open_:
            copy = folder / "copy"
            for end in ("", "-wal"):
                shutil.copyfile(f"{path}{end}", f"{copy}{end}")
    source = folder / "copy" if open_ else path
    file = source.read_bytes()
    wal = source.with_name(f"{source.name}-wal").read_bytes() if open_ else b""
    return Specimen(file, wal, {update: pages_of(update, file, wal) for (update,) in rows})


def words(random: Random, count: int) -> str:
    """Text in which no 24 bytes stand twice, so that the test can tell in which pages it stands."""
    return " ".join(f"{random.getrandbits(24):06x}" for _ in range(count))


def pages_of(update: bytes, file: bytes, wal: bytes) -> set[tuple[int, int]]:
    pages = set()
    for start in range(0, max(len(update) - 24, 1), 24):
        chunk = update[start : start + 48]
        for which, data, head, step in ((0, file, 0, PAGE_BYTES), (1, wal, 32, PAGE_BYTES + 24)):
            at = data.find(chunk)
            while at >= 0:
                pages.add((which, (at - head) // step))
                at = data.find(chunk, at + 1)
    return pages


def undamaged(specimen: Specimen, file: Iterable[int], wal: Iterable[int]) -> list[bytes]:
    """Return the updates that stand in no page in which a byte was changed."""
    hurt = {(0, offset // PAGE_BYTES) for offset in file}
    hurt |= {(1, max(offset - 32, 0) // (PAGE_BYTES + 24)) for offset in wal}
    return [update for update, pages in specimen.updates.items() if pages and not pages & hurt]
