"""The relay's log in one SQLite file (WAL). One thread writes; whatever waits is committed together.

While a commit runs, more appends arrive, and go into the next one. So a relay under load pays for few commits, and an
idle one waits for one commit alone. Positions come from one AUTOINCREMENT key and one writer: their order is the order
of the commits.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import anyio.to_thread

from crdt_sync_server.errors import RelayError, RoomDeleted, StoreError
from crdt_sync_server.ports import RoomRecord, Stored
from crdt_sync_server.stores.sqlite_file import connect, open_file, translate

__all__ = ["SqliteStore"]

Durability: TypeAlias = Literal["full", "normal"]
Settled: TypeAlias = tuple[asyncio.Future[Any], Any, RelayError | None]

APPEND = """
INSERT INTO rooms (room, owner, bytes, updates, changed_ms) VALUES (?, ?, ?, 1, ?)
ON CONFLICT (room) DO UPDATE
SET bytes = bytes + excluded.bytes, updates = updates + 1, changed_ms = excluded.changed_ms WHERE deleted_ms IS NULL
"""
COMPACTED = """
INSERT INTO rooms (room, bytes, updates)
SELECT :room, :bytes + coalesce(sum(length(data)), 0), count(*) FROM updates WHERE room = :room
ON CONFLICT (room) DO UPDATE SET bytes = excluded.bytes, updates = excluded.updates
"""
DELETED = """
INSERT INTO rooms (room, bytes, updates, deleted_ms) VALUES (?, 0, 0, ?)
ON CONFLICT (room) DO UPDATE SET bytes = 0, updates = 0, deleted_ms = excluded.deleted_ms WHERE deleted_ms IS NULL
"""
MISCOUNTS = """
SELECT room FROM rooms LEFT JOIN (
    SELECT room AS counted, sum(size) AS size, sum(log) AS log FROM (
        SELECT room, length(data) AS size, 1 AS log FROM updates
        UNION ALL SELECT room, length(data), 0 FROM snapshots
    ) GROUP BY room
) ON counted = room WHERE bytes != coalesce(size, 0) OR updates != coalesce(log, 0)
"""
MISCOUNTED = "what is stored of it is not what its record says"
RECORDS = "SELECT room, owner, bytes, updates, changed_ms, deleted_ms FROM rooms"


@dataclass(slots=True)
class _Append:
    room: str
    update: bytes
    owner: str | None
    done: asyncio.Future[int]


@dataclass(slots=True)
class _Call:
    run: Callable[[sqlite3.Connection], Any]
    done: asyncio.Future[Any]


class SqliteStore:
    """`ports.RoomStore` in a file. Use `await SqliteStore.open(path)`, and `close` it."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._loop = loop
        self._jobs: queue.SimpleQueue[_Append | _Call | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    @classmethod
    async def open(cls, path: Path, *, durability: Durability = "full") -> SqliteStore:
        """Open or make the file. `full` survives a power cut, `normal` a crash of the process alone.

        Raises `StoreError` if the file cannot be used: another program's, a newer version's, not writable, and
        `StoreInUse` if another process has it.
        """
        store = cls(path, asyncio.get_running_loop())
        connection, lock = await anyio.to_thread.run_sync(open_file, path, durability)
        store._thread = threading.Thread(
            target=store._write, args=(connection, lock), name="crdt-sync-store", daemon=True
        )
        store._thread.start()
        return store

    async def load(self, room: str) -> Stored:
        """Return all that is stored of `room`."""
        return await anyio.to_thread.run_sync(self._load, room)

    async def append(self, room: str, update: bytes, owner: str | None = None) -> int:
        """Store `update` and return its position, once it is durable."""
        done: asyncio.Future[int] = self._loop.create_future()
        self._put(_Append(room, update, owner, done))
        return await done

    async def compact(self, room: str, segments: Sequence[bytes], through: int) -> None:
        """Put `segments` in the place of all updates up to the position `through`, in one transaction."""

        def run(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            _check_living(connection, room)
            connection.execute("DELETE FROM snapshots WHERE room = ?", (room,))
            connection.executemany(
                "INSERT INTO snapshots (room, part, through, data) VALUES (?, ?, ?, ?)",
                [(room, part, through, data) for part, data in enumerate(segments)],
            )
            connection.execute("DELETE FROM updates WHERE room = ? AND position <= ?", (room, through))
            connection.execute(COMPACTED, {"room": room, "bytes": sum(map(len, segments))})
            connection.execute("COMMIT")

        await self._call(run)

    async def delete(self, room: str) -> None:
        """Erase all that is stored of `room` and keep a tombstone, in one transaction."""

        def run(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(DELETED, (room, _now_ms()))
            connection.execute("DELETE FROM snapshots WHERE room = ?", (room,))
            connection.execute("DELETE FROM updates WHERE room = ?", (room,))
            connection.execute("COMMIT")

        await self._call(run)

    async def rooms(self, name: str | None = None) -> Sequence[RoomRecord]:
        """Return the records of all rooms by name, or of one."""
        which = (f"{RECORDS} ORDER BY room", ()) if name is None else (f"{RECORDS} WHERE room = ?", (name,))
        return [RoomRecord(*row) for row in await self._read(*which)]

    async def usage(self, owner: str) -> int:
        """Return the bytes that are stored of all rooms of `owner`."""
        ((total,),) = await self._read("SELECT coalesce(sum(bytes), 0) FROM rooms WHERE owner = ?", (owner,))
        return int(total)

    async def damage(self) -> Sequence[str]:
        """Return what SQLite's check finds wrong with the file, and rooms whose records do not fit."""
        try:
            lines = [line for (line,) in await self._read("PRAGMA integrity_check") if line != "ok"]
            return lines or [f"room {room!r}: {MISCOUNTED}" for (room,) in await self._read(MISCOUNTS)]
        except StoreError as error:  # so damaged that the check itself stops
            return [str(error)]

    async def check(self) -> None:
        """Return if the store can write now; raise `StoreError` if not."""

        def run(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")

        await self._call(run)

    async def close(self) -> None:
        """Commit what waits, and close the file."""
        if self._thread is not None:
            thread, self._thread = self._thread, None
            self._jobs.put(None)
            await anyio.to_thread.run_sync(thread.join)

    # On the loop's thread

    async def _call(self, run: Callable[[sqlite3.Connection], Any]) -> None:
        done: asyncio.Future[Any] = self._loop.create_future()
        self._put(_Call(run, done))
        await done

    async def _read(self, query: str, arguments: Sequence[Any] = ()) -> list[Any]:
        return await anyio.to_thread.run_sync(self._query, query, arguments)

    def _put(self, job: _Append | _Call) -> None:
        if self._thread is None:
            raise StoreError("the store is closed")
        self._jobs.put(job)

    def _settle(self, settled: list[Settled]) -> None:
        for done, value, error in settled:
            if done.cancelled():
                continue
            if error is None:
                done.set_result(value)
            else:
                done.set_exception(error)

    # On threads

    def _query(self, query: str, arguments: Sequence[Any]) -> list[Any]:
        try:
            with closing(connect(self._path)) as connection:
                return connection.execute(query, arguments).fetchall()
        except sqlite3.Error as error:
            raise translate(error, self._path) from error

    def _load(self, room: str) -> Stored:
        try:
            with closing(connect(self._path)) as connection:
                connection.execute("BEGIN")  # all tables as of one moment
                owner = _check_living(connection, room)
                parts = connection.execute(
                    "SELECT data, through FROM snapshots WHERE room = ? ORDER BY part", (room,)
                ).fetchall()
                rows = connection.execute(
                    "SELECT data, position FROM updates WHERE room = ? ORDER BY position", (room,)
                ).fetchall()
        except sqlite3.Error as error:
            raise translate(error, self._path) from error
        position = rows[-1][1] if rows else parts[-1][1] if parts else 0
        return Stored([data for data, _ in (*parts, *rows)], position, len(rows), owner)

    def _write(self, connection: sqlite3.Connection, lock: sqlite3.Connection) -> None:
        with closing(lock), closing(connection):
            while True:
                jobs = [self._jobs.get()]
                while not self._jobs.empty():
                    jobs.append(self._jobs.get())
                appends = [job for job in jobs if isinstance(job, _Append)]
                settled = self._append(connection, appends) if appends else []
                for job in jobs:
                    if isinstance(job, _Call):
                        settled.append(self._run(connection, job))
                self._loop.call_soon_threadsafe(self._settle, settled)
                if None in jobs:
                    return

    def _append(self, connection: sqlite3.Connection, appends: list[_Append]) -> list[Settled]:
        settled: list[Settled] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            now_ms = _now_ms()
            for job in appends:
                if connection.execute(APPEND, (job.room, job.owner, len(job.update), now_ms)).rowcount != 1:
                    settled.append((job.done, None, RoomDeleted("the document was deleted")))
                    continue
                row = "INSERT INTO updates (room, data) VALUES (?, ?)"
                position = connection.execute(row, (job.room, job.update)).lastrowid
                settled.append((job.done, position, None))
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            failure = _rolled_back(connection, error, self._path)
            return [(job.done, None, failure) for job in appends]
        return settled

    def _run(self, connection: sqlite3.Connection, job: _Call) -> Settled:
        try:
            job.run(connection)
        except (sqlite3.Error, RoomDeleted) as error:
            return job.done, None, _rolled_back(connection, error, self._path)
        return job.done, None, None


def _check_living(connection: sqlite3.Connection, room: str) -> str | None:
    """Return the owner of `room`, if it is there and has one. Raises `RoomDeleted`."""
    row = connection.execute("SELECT owner, deleted_ms FROM rooms WHERE room = ?", (room,)).fetchone()
    owner, deleted_ms = row or (None, None)
    if deleted_ms is not None:
        raise RoomDeleted("the document was deleted")
    return None if owner is None else str(owner)


def _rolled_back(connection: sqlite3.Connection, error: sqlite3.Error | RoomDeleted, path: Path) -> RelayError:
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    return error if isinstance(error, RoomDeleted) else translate(error, path)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
