"""Reads of the store: connections stay open, transactions do not."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from crdt_sync_server.errors import RoomDeleted, StoreError
from crdt_sync_server.stores import sqlite_reading
from crdt_sync_server.stores import sqlite_rows as rows
from crdt_sync_server.stores.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

WITHIN_S = 30


async def checkpointed(store: SqliteStore, path: Path) -> None:
    """Fail if anyone holds a moment of the file: then what lies beside it could not all be taken into it."""

    def checkpoint(connection: sqlite3.Connection) -> tuple[int, int, int]:
        found: tuple[int, int, int] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return found

    assert await store._writer.call(checkpoint) == (0, 0, 0)
    assert Path(f"{path}-wal").stat().st_size == 0


async def test_no_read_holds_a_moment_of_the_file(tmp_path: Path) -> None:
    """However it ends: all that was committed can be taken into the file after it."""
    path = tmp_path / "relay"
    store = await SqliteStore.open(path, durability="normal")
    through = await store.append("room", b"x")
    await store.compact("room", [b"y"], through)
    await store.append("room", b"z")
    await store.append("other", b"x")
    await store.delete("deleted")

    async def absent() -> None:
        assert list((await store.load("absent")).updates) == []

    async def present() -> None:
        assert list((await store.load("room")).updates) == [b"y", b"z"]

    async def deleted() -> None:
        with pytest.raises(RoomDeleted):
            await store.load("deleted")

    async def listed() -> None:
        assert len(await store.rooms()) == 3

    def begin_and_leave(connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN")
        connection.execute("SELECT * FROM updates").fetchall()

    def begin_and_fail(connection: sqlite3.Connection) -> None:
        begin_and_leave(connection)
        connection.execute("SELECT * FROM missing")

    async def wrong() -> None:
        with pytest.raises(StoreError, match="no such table"):
            await store._readers.read(begin_and_fail)

    async def left_open() -> None:
        await store._readers.read(begin_and_leave)

    for read in (absent, present, deleted, listed, wrong, left_open):
        await asyncio.gather(*(read() for _ in range(4 * sqlite_reading.READERS)))  # each reader does some
        await store.append("other", b"more")
        await checkpointed(store, path)
    await store.close()


async def test_a_load_finds_all_that_was_committed_before_it_was_asked_for(tmp_path: Path) -> None:
    """Many ask at once, and each is asked for at another moment."""
    store = await SqliteStore.open(tmp_path / "relay", durability="normal")

    async def write_and_read(room: str) -> None:
        for number in range(40):
            position = await store.append(room, b"%d" % number)
            stored = await store.load(room)
            assert (stored.position, stored.log_length) == (position, number + 1)

    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(write_and_read(f"room {number}"))
    await store.close()


async def test_a_large_document_does_not_hold_up_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One reader reads it, for as long as that takes; the other goes on."""
    store = await SqliteStore.open(tmp_path / "relay", durability="normal")
    reading, go_on = threading.Event(), threading.Event()
    whole = rows.load

    def load(connection: sqlite3.Connection, room: str) -> Any:
        if room == "large":
            reading.set()
            assert go_on.wait(WITHIN_S)
        return whole(connection, room)

    monkeypatch.setattr(rows, "load", load)
    large = asyncio.create_task(store.load("large"))
    assert await asyncio.to_thread(reading.wait, WITHIN_S)
    await asyncio.wait_for(asyncio.gather(*(store.load(f"{number}") for number in range(500))), WITHIN_S)
    assert not large.done()
    go_on.set()
    await large
    await store.close()


async def test_loads_that_nobody_waits_for_any_more_are_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await SqliteStore.open(tmp_path / "relay", durability="normal")
    go_on = threading.Event()
    loaded: list[str] = []
    whole = rows.load

    def load(connection: sqlite3.Connection, room: str) -> Any:
        loaded.append(room)
        assert go_on.wait(WITHIN_S)
        return whole(connection, room)

    monkeypatch.setattr(rows, "load", load)
    tasks = [asyncio.create_task(store.load(f"{number}")) for number in range(1_000)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    assert all(
        isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*tasks, return_exceptions=True)
    )
    go_on.set()
    await store.load("last")
    assert len(loaded) <= sqlite_reading.READERS + 1
    await store.close()


@pytest.mark.parametrize("failure", [sqlite3.OperationalError("disk I/O error"), MemoryError(), ZeroDivisionError()])
async def test_a_reader_goes_on_after_a_failure(tmp_path: Path, failure: Exception) -> None:
    store = await SqliteStore.open(tmp_path / "relay", durability="normal")
    await store.append("room", b"x")

    def fails(connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN")
        raise failure

    for _ in range(2 * sqlite_reading.READERS):
        with pytest.raises(StoreError):
            await store._readers.read(fails)
        with pytest.raises(StoreError):
            await store._writer.call(fails)
    found = await asyncio.gather(*(store.load("room") for _ in range(20)))
    assert all(list(stored.updates) == [b"x"] for stored in found)
    assert await store.append("room", b"y") == 2
    await store.close()


async def test_close_ends_what_was_asked_and_leaves_nothing_open(tmp_path: Path) -> None:
    process, before = psutil.Process(os.getpid()), set(threading.enumerate())
    store = await SqliteStore.open(tmp_path / "relay", durability="normal")
    await store.append("room", b"x")
    loads = [asyncio.create_task(store.load("room")) for _ in range(200)]
    gone = [asyncio.create_task(store.load("room")) for _ in range(200)]
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    await store.close()
    await store.close()  # a second time is no error
    assert all(list(stored.updates) == [b"x"] for stored in await asyncio.gather(*loads))
    assert not [each.path for each in process.open_files() if str(tmp_path) in each.path]
    ours = {each.name for each in set(threading.enumerate()) - before}
    assert not [name for name in ours if name.startswith("crdt-sync-")]
    assert {each.name for each in tmp_path.iterdir()} <= {"relay", "relay-lock"}
    for attempt in (store.load("room"), store.rooms(), store.usage("ada"), store.append("room", b"y"), store.check()):
        with pytest.raises(StoreError, match="closed"):
            await attempt


async def test_a_reader_writes_nothing(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "relay", durability="normal")
    await store.append("room", b"x")
    with pytest.raises(StoreError, match="readonly"):
        await store._readers.read(lambda connection: connection.execute("DELETE FROM updates"))
    assert list((await store.load("room")).updates) == [b"x"]
    await store.close()
