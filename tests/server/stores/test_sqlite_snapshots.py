"""A snapshot is stored beside everything else, and is there as a whole or not at all."""

from __future__ import annotations

import asyncio
import logging
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from crdt_sync_server.errors import RoomDeleted, StoreError
from crdt_sync_server.stores import sqlite_file, sqlite_writing
from crdt_sync_server.stores import sqlite_rows as rows
from crdt_sync_server.stores.sqlite import SqliteStore
from crdt_sync_server.stores.sqlite_backup import back_up

pytestmark = pytest.mark.anyio

WITHIN_S = 30
OLD = [b"old %d" % number for number in range(20)]
SEGMENTS = [bytes([number]) * 700_000 for number in range(1, 6)]


class Gate:
    """Holds the writer's thread at the end of a function of `sqlite_rows`, at one of its calls, in its transaction."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, at: int) -> None:
        self.reached = asyncio.Event()
        self._opened = threading.Event()
        self._calls = 0
        loop, whole = asyncio.get_running_loop(), getattr(rows, name)

        def gated(*arguments: Any) -> Any:
            found = whole(*arguments)
            self._calls += 1
            if self._calls == at:
                loop.call_soon_threadsafe(self.reached.set)
                assert self._opened.wait(WITHIN_S)
            return found

        monkeypatch.setattr(rows, name, gated)

    async def wait(self) -> None:
        await asyncio.wait_for(self.reached.wait(), WITHIN_S)

    def open(self) -> None:
        self._opened.set()


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path, durability="normal")
    try:
        yield store
    finally:
        await store.close()


async def with_old(store: SqliteStore) -> int:
    """Append `OLD` to the room and return the last position."""
    return max([await store.append("room", update, "ada") for update in OLD])


async def swept(store: SqliteStore) -> None:
    """Return once there is no waste."""
    while await store._writer.call(store._writer.sweep):
        pass


def counts(path: Path) -> tuple[int, ...]:
    """Return how many updates, parts of snapshots and pieces of waste are in the file."""
    with closing(sqlite3.connect(path)) as connection:
        return tuple(
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("updates", "snapshots", "waste")
        )


async def test_an_append_that_comes_while_a_snapshot_is_written_does_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path / "relay") as store:
        through = await with_old(store)
        gate = Gate(monkeypatch, "stage", at=2)
        compaction = asyncio.create_task(store.compact("room", SEGMENTS, through))
        await gate.wait()
        append = asyncio.create_task(store.append("other", b"at once"))
        late = asyncio.create_task(store.append("room", b"late"))
        await asyncio.sleep(0)  # both are with the writer
        gate.open()
        await asyncio.wait_for(append, WITHIN_S)
        assert not compaction.done()
        await late
        assert list((await store.load("room")).updates) in ([*OLD, b"late"], [*SEGMENTS, b"late"])
        await compaction
        assert list((await store.load("room")).updates) == [*SEGMENTS, b"late"]


async def test_jobs_that_wait_let_appends_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty rooms are put together at once: an append waits for one of them."""
    done: list[str] = []
    async with opened(tmp_path / "relay") as store:
        gate = Gate(monkeypatch, "put_in_place", at=1)

        async def note(name: str, work: Any) -> None:
            await work
            done.append(name)

        async with asyncio.TaskGroup() as tasks:
            for number in range(30):
                tasks.create_task(note("compaction", store.compact(f"room {number}", [b"x"], 0)))
            await gate.wait()
            tasks.create_task(note("append", store.append("other", b"at once")))
            await asyncio.sleep(0)
            gate.open()
        assert done.index("append") <= 2


async def test_what_is_being_written_is_in_nothing_that_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in a load, a record, a quota, the check, or a backup."""
    async with opened(tmp_path / "relay") as store:
        through = await with_old(store)
        before = await store.rooms()
        gate = Gate(monkeypatch, "stage", at=4)
        compaction = asyncio.create_task(store.compact("room", SEGMENTS, through))
        await gate.wait()
        assert counts(tmp_path / "relay") == (len(OLD), 3, 1)
        assert list((await store.load("room")).updates) == OLD
        assert await store.rooms() == before
        assert await store.usage("ada") == sum(map(len, OLD))
        assert list(await store.damage()) == []
        back_up(tmp_path / "relay", tmp_path / "backup")
        assert counts(tmp_path / "backup") == (len(OLD), 0, 0)
        gate.open()
        await compaction
        assert await store.usage("ada") == sum(map(len, SEGMENTS))
    async with opened(tmp_path / "backup") as copy:
        assert list((await copy.load("room")).updates) == OLD
        assert await copy.rooms() == before


async def test_a_crash_at_any_moment_leaves_the_old_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is copied as it is in the middle of each transaction: what a process that dies there leaves behind."""
    images: list[Path] = []

    def copy() -> None:
        images.append(tmp_path / f"image-{len(images)}")
        for side in ("", "-wal"):
            shutil.copy(f"{tmp_path / 'relay'}{side}", f"{images[-1]}{side}")

    def copied(name: str) -> None:
        whole: Callable[..., Any] = getattr(rows, name)

        def between_copies(*arguments: Any) -> Any:
            copy()
            found = whole(*arguments)
            copy()
            return found

        monkeypatch.setattr(rows, name, between_copies)

    async with opened(tmp_path / "relay") as store:
        await store.compact("room", SEGMENTS[:2], await with_old(store))
        through = await with_old(store)
        await swept(store)
        for name in ("stage", "put_in_place", "sweep"):
            copied(name)
        await store.compact("room", SEGMENTS, through)
        await swept(store)
    monkeypatch.undo()
    before, found = [*SEGMENTS[:2], *OLD], []
    leftovers = [counts(image) for image in images]
    assert {parts for _, parts, _ in leftovers} == {2, 3, 4, 5, 6}
    for image in images:
        async with opened(image) as store:
            found.append(list((await store.load("room")).updates))
            assert found[-1] in (before, SEGMENTS)
            (record,) = await store.rooms()
            assert record.size_bytes == await store.usage("ada") == sum(map(len, found[-1]))
            await swept(store)
            assert list((await store.load("room")).updates) == found[-1]
            assert list(await store.damage()) == []
        assert counts(image) == ((len(OLD), 2, 0) if found[-1] == before else (0, len(SEGMENTS), 0))
    switched = found.index(SEGMENTS)
    assert found == [before] * switched + [SEGMENTS] * (len(images) - switched)
    assert any(waste for _, _, waste in leftovers[switched:])  # also with the new, something was left to be swept


async def test_kill_9_while_snapshots_are_stored(tmp_path: Path) -> None:
    """A real process, killed at places drawn by lot: all that it said to be stored is there, and no mixture."""
    draw, number = random.Random(20), 0
    for _ in range(6):
        command = [sys.executable, str(Path(__file__).with_name("compact.py")), str(tmp_path / "relay"), str(number)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(draw.randrange(3, 60))]
        process.kill()
        lines += process.stdout.readlines()
        process.communicate()
        said = [line.split() for line in lines if line.endswith("\n")]
        begun = max((int(words[1]) for words in said if words[0] == "begun"), default=number)
        stored = max((int(words[1]) for words in said if words[0] == "stored"), default=number - 1)
        appended = {(int(words[1]), int(words[2])) for words in said if words[0] == "appended"}
        async with opened(tmp_path / "relay") as store:
            updates = list((await store.load("room")).updates)
            kept = updates[0][0] if updates else -1
            assert stored <= kept <= begun
            log = updates[5:]
            assert updates[:5] == [bytes([kept]) * 700_000] * 5 * bool(updates)
            assert log == [b"%d-%d" % (kept, count) for count in range(len(log))]
            assert len(log) == 3 or kept in (begun, number - 1)
            assert {count for snapshot, count in appended if snapshot == kept} <= set(range(len(log)))
            await swept(store)
            assert list((await store.load("room")).updates) == updates
            assert list(await store.damage()) == []
        assert counts(tmp_path / "relay") == (len(log), len(updates) - len(log), 0)
        number = kept + 1
    assert number > 3  # or nothing was stored, and nothing shown


async def test_a_room_that_is_deleted_while_its_snapshot_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path / "relay") as store:
        through = await with_old(store)
        gate = Gate(monkeypatch, "stage", at=3)
        compaction = asyncio.create_task(store.compact("room", SEGMENTS, through))
        await gate.wait()
        deletion = asyncio.create_task(store.delete("room"))
        await asyncio.sleep(0)
        gate.open()
        await deletion
        with pytest.raises(RoomDeleted):
            await compaction
        await swept(store)
        assert await store.usage("ada") == 0
    assert counts(tmp_path / "relay") == (0, 0, 0)


async def test_a_compaction_that_is_given_up_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store goes on, and the parts' numbers are free again."""
    async with opened(tmp_path / "relay") as store:
        through = await with_old(store)
        gate = Gate(monkeypatch, "stage", at=2)
        compaction = asyncio.create_task(store.compact("room", SEGMENTS, through))
        await gate.wait()
        compaction.cancel()
        with pytest.raises(asyncio.CancelledError):
            await compaction
        gate.open()
        await store.check()  # after all that was asked before
        await swept(store)
        assert counts(tmp_path / "relay") == (len(OLD), 0, 0)
        assert store._writer.spared == set()
        assert list((await store.load("room")).updates) == OLD
        await store.compact("room", SEGMENTS, through)
        assert list((await store.load("room")).updates) == SEGMENTS


async def test_a_disk_that_is_full_in_the_middle_leaves_the_old(tmp_path: Path) -> None:
    async with opened(tmp_path / "relay") as store:
        through = await with_old(store)
        await store._writer.call(lambda connection: connection.execute("PRAGMA max_page_count = 600").fetchall())
        with pytest.raises(StoreError, match="full"):
            await store.compact("room", SEGMENTS, through)
        await swept(store)
        assert counts(tmp_path / "relay") == (len(OLD), 0, 0)
        assert list((await store.load("room")).updates) == OLD
        await store.append("room", b"there is room again")
        await store._writer.call(lambda connection: connection.execute("PRAGMA max_page_count = 100000").fetchall())
        await store.compact("room", SEGMENTS, through)
        assert list((await store.load("room")).updates) == [*SEGMENTS, b"there is room again"]


async def test_a_long_log_goes_in_pieces_with_appends_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path / "relay") as store:
        length = 5 * rows.PIECE_ROWS
        positions = await asyncio.gather(*(store.append("room", b"x") for _ in range(length)))
        second = Gate(monkeypatch, "sweep", at=2)  # the first is in the transaction that puts the snapshot in place
        third = Gate(monkeypatch, "sweep", at=3)
        await store.compact("room", [b"all"], max(positions))
        await second.wait()
        append = asyncio.create_task(store.append("other", b"between"))
        await asyncio.sleep(0)
        second.open()
        await append
        await third.wait()
        assert counts(tmp_path / "relay") == (3 * rows.PIECE_ROWS + 1, 1, 1)
        assert (await store.load("room")).log_length == 0
        third.open()
        await swept(store)
        assert counts(tmp_path / "relay") == (1, 1, 0)


async def test_what_a_crash_has_left_is_swept_without_being_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path / "relay") as store:
        through = await with_old(store)
        gate = Gate(monkeypatch, "stage", at=3)
        compaction = asyncio.create_task(store.compact("room", SEGMENTS, through))
        await gate.wait()
        for side in ("", "-wal"):
            shutil.copy(f"{tmp_path / 'relay'}{side}", f"{tmp_path / 'image'}{side}")
        gate.open()
        await compaction
    assert counts(tmp_path / "image") == (len(OLD), 2, 1)
    ended, whole = threading.Event(), rows.first_waste

    def first_waste(*arguments: Any) -> Any:
        found = whole(*arguments)
        if found is None:
            ended.set()
        return found

    monkeypatch.setattr(rows, "first_waste", first_waste)
    async with opened(tmp_path / "image") as store:
        assert await asyncio.to_thread(ended.wait, WITHIN_S)
        assert counts(tmp_path / "image") == (len(OLD), 0, 0)
        assert list((await store.load("room")).updates) == OLD


async def test_a_store_without_waste_needs_no_lock_to_find_that_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the log would be full of failed sweeps while another process has locked the file."""
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.01)
    told: list[object] = []
    monkeypatch.setattr(sqlite_writing, "tell", lambda *words, **fields: told.append(words))
    async with opened(tmp_path / "relay") as store:
        with closing(sqlite3.connect(tmp_path / "relay", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for _ in range(3):
                with pytest.raises(StoreError, match="locked"):
                    await store.check()
                assert await store._writer.call(store._writer.sweep) is False
            other.execute("ROLLBACK")
        await store.check()
    assert told == []


async def test_a_sweep_that_fails_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deletion is done when its tombstone is; what cannot be erased yet stays listed."""

    told = threading.Event()

    def fails(*_: object) -> bool:
        raise sqlite3.OperationalError("disk I/O error")

    def tell(event: str, level: int, *, reason: str) -> None:
        assert (event, level) == ("not swept", logging.WARNING)
        assert "disk I/O error" in reason
        told.set()

    async with opened(tmp_path / "relay") as store:
        await with_old(store)
        with monkeypatch.context() as patch:
            patch.setattr(rows, "sweep", fails)
            patch.setattr(sqlite_writing, "tell", tell)
            await store.delete("room")
            await store.check()
            assert await store.append("other", b"goes on") > len(OLD)
            assert await asyncio.to_thread(told.wait, WITHIN_S)
            await store.check()
            assert counts(tmp_path / "relay") == (len(OLD) + 1, 0, 1)  # in here: the writer sweeps after each job
        await swept(store)
        assert counts(tmp_path / "relay") == (1, 0, 0)
