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
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import anyio.to_thread

from crdt_sync_server.errors import StoreError
from crdt_sync_server.ports import Stored

__all__ = ["SqliteStore"]

Durability: TypeAlias = Literal["full", "normal"]

APPLICATION_ID = 0x63726474  # "crdt"
SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE updates (position INTEGER PRIMARY KEY AUTOINCREMENT, room TEXT NOT NULL, data BLOB NOT NULL);
CREATE INDEX updates_of_room ON updates (room, position);
CREATE TABLE snapshots (
    room TEXT NOT NULL, part INTEGER NOT NULL, through INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (room, part)
);
"""
BUSY_TIMEOUT_S = 5.0


@dataclass(slots=True)
class _Append:
    room: str
    update: bytes
    done: asyncio.Future[int]


@dataclass(slots=True)
class _Call:
    run: Callable[[sqlite3.Connection], Any]
    done: asyncio.Future[Any]


class SqliteStore:
    """`ports.Store` in a file. Use `await SqliteStore.open(path)`, and `close` it."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._loop = loop
        self._jobs: queue.SimpleQueue[_Append | _Call | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    @classmethod
    async def open(cls, path: Path, *, durability: Durability = "full") -> SqliteStore:
        """Open or make the file. `full` survives a power cut, `normal` a crash of the process alone.

        Raises `StoreError` if the file cannot be used: another program's, a newer version's, not writable.
        """
        store = cls(path, asyncio.get_running_loop())
        connection = await anyio.to_thread.run_sync(_open, path, durability)
        store._thread = threading.Thread(target=store._write, args=(connection,), name="crdt-sync-store", daemon=True)
        store._thread.start()
        return store

    async def load(self, room: str) -> Stored:
        """Return all that is stored of `room`."""
        return await anyio.to_thread.run_sync(self._load, room)

    async def append(self, room: str, update: bytes) -> int:
        """Store `update` and return its position, once it is durable."""
        done: asyncio.Future[int] = self._loop.create_future()
        self._put(_Append(room, update, done))
        return await done

    async def compact(self, room: str, segments: Sequence[bytes], through: int) -> None:
        """Put `segments` in the place of all updates up to the position `through`, in one transaction."""

        def run(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM snapshots WHERE room = ?", (room,))
            connection.executemany(
                "INSERT INTO snapshots (room, part, through, data) VALUES (?, ?, ?, ?)",
                [(room, part, through, data) for part, data in enumerate(segments)],
            )
            connection.execute("DELETE FROM updates WHERE room = ? AND position <= ?", (room, through))
            connection.execute("COMMIT")

        await self._call(run)

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

    def _put(self, job: _Append | _Call) -> None:
        if self._thread is None:
            raise StoreError("the store is closed")
        self._jobs.put(job)

    def _settle(self, settled: list[tuple[asyncio.Future[Any], Any, StoreError | None]]) -> None:
        for done, value, error in settled:
            if done.cancelled():
                continue
            if error is None:
                done.set_result(value)
            else:
                done.set_exception(error)

    # On threads

    def _load(self, room: str) -> Stored:
        try:
            with closing(_connect(self._path)) as connection:
                connection.execute("BEGIN")  # both tables as of one moment
                parts = connection.execute(
                    "SELECT data, through FROM snapshots WHERE room = ? ORDER BY part", (room,)
                ).fetchall()
                rows = connection.execute(
                    "SELECT data, position FROM updates WHERE room = ? ORDER BY position", (room,)
                ).fetchall()
        except sqlite3.Error as error:
            raise _translate(error, self._path) from error
        position = rows[-1][1] if rows else parts[-1][1] if parts else 0
        return Stored([data for data, _ in (*parts, *rows)], position, len(rows))

    def _write(self, connection: sqlite3.Connection) -> None:
        with closing(connection):
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

    def _append(
        self, connection: sqlite3.Connection, appends: list[_Append]
    ) -> list[tuple[asyncio.Future[Any], Any, StoreError | None]]:
        try:
            connection.execute("BEGIN IMMEDIATE")
            positions = [
                connection.execute("INSERT INTO updates (room, data) VALUES (?, ?)", (job.room, job.update)).lastrowid
                for job in appends
            ]
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            failure = _rolled_back(connection, error, self._path)
            return [(job.done, None, failure) for job in appends]
        return [(job.done, position, None) for job, position in zip(appends, positions, strict=True)]

    def _run(self, connection: sqlite3.Connection, job: _Call) -> tuple[asyncio.Future[Any], Any, StoreError | None]:
        try:
            job.run(connection)
        except sqlite3.Error as error:
            return job.done, None, _rolled_back(connection, error, self._path)
        return job.done, None, None


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)


def _open(path: Path, durability: Durability) -> sqlite3.Connection:
    connection: sqlite3.Connection | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = _connect(path)
        _prepare(connection, path)
        connection.execute(f"PRAGMA synchronous = {durability.upper()}")
    except (sqlite3.Error, OSError, StoreError) as error:
        if connection is not None:
            connection.close()
        raise _translate(error, path) from error
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new file; leave a file that is not ours, or newer than we are, as it is."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise StoreError(f"{path} is the database of another program; name another data folder")
    if version > SCHEMA_VERSION:
        raise StoreError(f"{path} was written by a newer version of crdt-sync-server; install that version")
    connection.execute("PRAGMA journal_mode = WAL")
    if version < 1:
        connection.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")


def _rolled_back(connection: sqlite3.Connection, error: sqlite3.Error, path: Path) -> StoreError:
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    return _translate(error, path)


def _translate(error: Exception, path: Path) -> StoreError:
    if isinstance(error, StoreError):
        return error
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(f"{path} is locked by another process; stop that process")
    if primary == sqlite3.SQLITE_FULL:
        return StoreError(f"the disk that holds {path} is full; make room, and the relay goes on by itself")
    if primary == sqlite3.SQLITE_NOTADB:
        return StoreError(f"{path} is not an SQLite database; name another data folder")
    return StoreError(f"{path}: {error}")
