from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import pytest

from crdt_sync.testing.contracts import RoomStoreContract
from crdt_sync_server.errors import RoomDeleted, StoreError, StoreInUse
from crdt_sync_server.ports import RoomStore
from crdt_sync_server.stores import sqlite_file
from crdt_sync_server.stores.sqlite import SqliteStore

pytestmark = pytest.mark.anyio


class TestSqliteStore(RoomStoreContract):
    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[RoomStore]:
        store = await SqliteStore.open(folder / "new" / "relay.sqlite3", durability="normal")
        yield store
        await store.close()


async def test_what_waits_together_is_committed_together(tmp_path: Path) -> None:
    """50 appends that arrive while one commit runs need far fewer commits than 50."""
    store = await SqliteStore.open(tmp_path / "relay")
    commits = 0
    append = store._writer._append

    def counted(*arguments: object) -> object:
        nonlocal commits
        commits += 1
        return append(*arguments)  # type: ignore[arg-type]

    store._writer._append = counted  # type: ignore[method-assign, assignment]
    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(store.append, f"room {number % 7}", b"x")
    assert commits <= 10
    await store.close()


async def test_a_locked_database_is_an_error_and_never_a_normal_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.01)
    store = await SqliteStore.open(tmp_path / "relay")
    with closing(sqlite3.connect(tmp_path / "relay", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for attempt in (store.append("room", b"x"), store.check(), store.compact("room", [b"y"], 1)):
            with pytest.raises(StoreError, match="locked"):
                await attempt
        other.execute("ROLLBACK")
    await store.append("room", b"z")
    assert list((await store.load("room")).updates) == [b"z"]
    await store.close()


async def test_a_full_disk_is_an_error_and_it_goes_on_with_room(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "relay")
    position = await store.append("room", b"kept")
    await store._writer.call(lambda connection: connection.execute("PRAGMA max_page_count = 1"))  # as few as there are
    with pytest.raises(StoreError, match="full"):
        await store.append("room", b"x" * 1_000_000)
    await store._writer.call(lambda connection: connection.execute("PRAGMA max_page_count = 100000"))
    assert await store.append("room", b"more") > position
    assert list((await store.load("room")).updates) == [b"kept", b"more"]
    await store.close()


async def test_other_files_are_refused_untouched(tmp_path: Path) -> None:
    other, text, newer = tmp_path / "other", tmp_path / "text", tmp_path / "newer"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    text.write_text("no database at all, but text " * 100)
    await (await SqliteStore.open(newer)).close()
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("PRAGMA user_version = 99")
    for path, words in ((other, "another program"), (text, "not an SQLite"), (newer, "newer version")):
        before = path.read_bytes()
        with pytest.raises(StoreError, match=words):
            await SqliteStore.open(path)
        assert path.read_bytes() == before


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "relay")
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.append("room", b"x")


async def test_kill_9_in_a_burst_loses_nothing_that_was_said_to_be_durable(tmp_path: Path) -> None:
    durable: set[str] = set()
    for round_ in range(4):
        command = [sys.executable, str(Path(__file__).with_name("append.py")), str(tmp_path / "relay"), str(round_)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(60 + 31 * round_)]
        process.kill()
        lines += process.stdout.readlines()
        process.communicate()
        durable |= {line.strip() for line in lines if line.endswith("\n")}
        store = await SqliteStore.open(tmp_path / "relay")
        there = {update.decode() for lane in range(4) for update in (await store.load(f"room {lane}")).updates}
        await store.close()
        assert durable <= there


async def test_a_file_of_version_1_is_brought_up_to_date(tmp_path: Path) -> None:
    """What was stored is there, and sizes are known; when it changed is not."""
    path = tmp_path / "relay"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(Path(__file__).with_name("version_1.sql").read_text())
    store = await SqliteStore.open(path)
    stored = await store.load("room")
    assert (list(stored.updates), stored.position, stored.log_length) == ([b"\1\2\3\4\5", b"\6\7", b"\x0c"], 3, 1)
    records = [
        (each.name, each.owner, each.size_bytes, each.log_length, each.changed_ms) for each in await store.rooms()
    ]
    assert records == [("other", None, 3, 2, None), ("room", None, 8, 1, None)]
    assert await store.append("room", b"new") == 5
    assert list(await store.damage()) == []
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (sqlite_file.SCHEMA_VERSION,)


async def test_a_file_of_version_2_is_brought_up_to_date(tmp_path: Path) -> None:
    """What was stored is there, and snapshots can be put in the place of those of the older version."""
    path = tmp_path / "relay"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(Path(__file__).with_name("version_2.sql").read_text())
    store = await SqliteStore.open(path)
    loaded = [await store.load(name) for name in ("other", "room", "still")]
    assert [list(stored.updates) for stored in loaded] == [
        [b"\x0a\x0b", b"\x0d"], [b"\1\2\3\4\5", b"\6\7", b"\x0c"], [b"\x0e", b"\x0f"],
    ]  # fmt: skip
    assert [(stored.position, stored.log_length) for stored in loaded] == [(4, 2), (3, 1), (9, 0)]
    with pytest.raises(RoomDeleted):
        await store.load("gone")
    records = [
        (each.name, each.owner, each.size_bytes, each.log_length, each.changed_ms, each.deleted_ms)
        for each in await store.rooms()
    ]
    assert records == [
        ("gone", "ada", 0, 0, 1000, 2000), ("other", None, 3, 2, 3000, None), ("room", "ada", 8, 1, 4000, None),
        ("still", "ben", 2, 0, 5000, None),
    ]  # fmt: skip
    assert list(await store.damage()) == []
    with pytest.raises(StoreError, match="later position"):
        await store.compact("room", [b"old"], 1)
    await store.compact("room", [b"all of it"], 3)
    assert list((await store.load("room")).updates) == [b"all of it"]
    await store.delete("still")
    assert list(await store.damage()) == []
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT room, data FROM snapshots").fetchall() == [("room", b"all of it")]
        assert connection.execute("PRAGMA user_version").fetchone() == (sqlite_file.SCHEMA_VERSION,)


async def test_one_process_has_the_store_and_a_dead_one_has_it_no_more(tmp_path: Path) -> None:
    path = tmp_path / "relay"
    command = [sys.executable, str(Path(__file__).with_name("append.py")), str(path), "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline()
    with pytest.raises(StoreInUse, match="in use by another process"):
        await SqliteStore.open(path)
    process.kill()
    process.communicate()
    for _ in range(2):
        store = await SqliteStore.open(path)
        with pytest.raises(StoreInUse):
            await SqliteStore.open(path)
        assert await store.rooms()
        await store.close()


async def test_damage_is_reported_in_words(tmp_path: Path) -> None:
    """A page that was overwritten, in a file that still opens."""
    store = await SqliteStore.open(tmp_path / "relay")
    for _ in range(50):
        await store.append("room", b"x" * 3000)
    await store.close()
    sound = (tmp_path / "relay").read_bytes()
    (tmp_path / "relay").write_bytes(sound[: 4096 * 12] + b"\xff" * 4096 * 4 + sound[4096 * 16 :])
    store = await SqliteStore.open(tmp_path / "relay")
    assert await store.damage()
    await store.close()


async def test_what_an_earlier_version_left_in_free_pages_goes_too_unless_the_file_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "relay.sqlite3"
    store = await SqliteStore.open(path)
    await store.append("kept", b"kept")
    await store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")  # as some builds of SQLite have it
        connection.execute("INSERT INTO updates (room, data) VALUES ('gone', ?)", (b"regretted " * 2000,))
        connection.execute("DELETE FROM updates WHERE room = 'gone'")
    store = await SqliteStore.open(path)
    monkeypatch.setattr(sqlite_file, "ANEW_UP_TO_BYTES", 0)
    assert not await store.erased()
    assert b"regretted" in await anyio.Path(path).read_bytes()
    monkeypatch.undo()
    assert await store.erased()
    assert b"regretted" not in await anyio.Path(path).read_bytes()
    assert list((await store.load("kept")).updates) == [b"kept"]
    await store.close()
