"""Real files, really damaged: whatever the damage, a repair gives all that was not destroyed, and the file is kept."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from crdt_sync.document.library_document import LibraryDocument
from crdt_sync.errors import CrdtSyncError, NotALibrary
from crdt_sync.protocol.fitting import in_fitting_order
from crdt_sync.protocol.update import decode_state_vector
from crdt_sync.storage.pages import Kind, Pages
from crdt_sync.storage.salvage import repair
from crdt_sync.storage.store import LibraryStore
from tests.storage.damage import Specimen, specimen, undamaged
from tests.storage.opened import opened


@pytest.fixture(scope="module")
def specimens(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Specimen]:
    folder = tmp_path_factory.mktemp("specimens")
    return {open_: specimen(folder, open_=open_) for open_ in (False, True)}


damages = st.fixed_dictionaries(
    {
        "open": st.booleans(),
        "file": st.dictionaries(st.integers(0, 10**9), st.integers(1, 255), max_size=6),
        "wal": st.dictionaries(st.integers(0, 10**9), st.integers(1, 255), max_size=6),
        "cut_file": st.none() | st.floats(0, 1),
        "cut_wal": st.none() | st.floats(0, 1),
        "burst": st.none() | st.integers(0, 10**9),
    }
)
UNHURT: dict[str, object] = {"open": True, "file": {}, "wal": {}, "cut_file": None, "cut_wal": None, "burst": None}


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(damage=damages)
@example(damage={**UNHURT, "file": {100: 255}})  # the tree of the schema
@example(damage={**UNHURT, "file": {16: 1}})  # the size of a page
@example(damage={**UNHURT, "open": False, "file": {18: 7, 68: 1}})
@example(damage={**UNHURT, "wal": {0: 1}})  # SQLite takes nothing of such a write-ahead log
@example(damage={**UNHURT, "cut_file": 0.0})
@example(damage={**UNHURT, "cut_wal": 0.5})
@example(damage={**UNHURT, "file": {61: 1}})  # the number of the file's version
@example(damage={**UNHURT, "open": False, "file": {869: 128}})  # SQLite's own message is then not UTF-8
def test_a_repair_gives_every_update_whose_bytes_are_whole(
    specimens: dict[bool, Specimen], tmp_path_factory: pytest.TempPathFactory, damage: dict[str, object]
) -> None:
    pristine = specimens[bool(damage["open"])]
    hurt, changed = damaged(pristine, damage)
    path = tmp_path_factory.mktemp("damaged") / "library.sqlite3"
    hurt.write(path)
    before = {each: each.read_bytes() for each in path.parent.iterdir()}
    expected, _ = in_fitting_order(undamaged(pristine, *changed), {})
    into = path.with_name("new.sqlite3")
    try:
        repaired = repair(path, into, any_version=True)
    except NotALibrary:
        assert not expected
        assert not into.exists()
    else:
        with opened(into) as store:
            store.verify()
            assert holds(store, expected)
            assert repaired.pending == store.pending
            assert store.pending > 0 or not store.read.counts().highlights
    assert {each: each.read_bytes() for each in before} == before
    assert set(path.parent.iterdir()) <= {*before, into}
    used_as_it_is(path)


def damaged(pristine: Specimen, damage: dict[str, object]) -> tuple[Specimen, tuple[set[int], set[int]]]:
    """Return the specimen with the damage, and the offsets that it changed in the file and the write-ahead log."""
    parts, changed = [], []
    for name in ("file", "wal"):
        data = bytearray(getattr(pristine, name))
        offsets = set()
        flips = dict(damage[name])  # type: ignore[call-overload]
        if name == "file" and damage["burst"] is not None:  # a torn page: half of it is something else
            start = int(damage["burst"]) % len(data) // 2048 * 2048  # type: ignore[call-overload]
            flips |= {start + offset: 0xA5 for offset in range(2048)}
        for offset, mask in flips.items() if data else ():
            data[offset % len(data)] ^= mask
            offsets.add(offset % len(data))
        cut = damage[f"cut_{name}"]
        if cut is not None:
            kept = int(len(data) * cut)  # type: ignore[operator]
            offsets |= set(range(kept, len(data), 512)) | {len(data) - 1}
            del data[kept:]
        parts.append(bytes(data))
        changed.append(offsets)
    return Specimen(parts[0], parts[1], pristine.updates), (changed[0], changed[1])


def holds(store: LibraryStore, expected: list[bytes]) -> bool:
    document = LibraryDocument(expected, lambda: 1)
    has = decode_state_vector(store.state_vector())
    return all(has.get(client, 0) >= clock for client, clock in document.vector.items())


def used_as_it_is(path: Path) -> None:
    """Nothing but our own errors comes out of a damaged file, and what it says of itself is not wrong."""
    for use in (LibraryStore.verify, LibraryStore.load, lambda store: store.query(lambda read: read.content())):
        try:
            with opened(path) as store:
                use(store)  # type: ignore[operator]
                store.counters()
                store.query(lambda read: (read.highlights(), read.notes(), read.search("note"), read.counts()))
        except CrdtSyncError:
            continue


def test_overflow_pages_that_lead_back_to_themselves_are_no_record() -> None:
    """Else a record of a damaged length is put together from one page, a gigabyte of it."""
    header = bytes([0x07, 0x00, 0x84, 0x80, 0x80, 0x80, 0x00])  # NULL, and a blob of half a gigabyte
    local = (4096 - 12) * 32 // 255 - 23
    total = len(header) + (2**30 - 12) // 2
    kept = local + (total - local) % 4092
    kept = kept if kept <= 4096 - 35 else local
    first = header + bytes(kept - len(header)) + (2).to_bytes(4, "big")
    loop = (2).to_bytes(4, "big") + bytes(4092)
    pages = Pages(first.ljust(4096, b"\0") + loop, b"")
    tracemalloc.start()
    try:
        assert list(pages.records((Kind.NULL, Kind.BLOB))) == []
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    finally:
        tracemalloc.stop()
