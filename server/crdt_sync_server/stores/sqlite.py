"""The relay's log in one SQLite file (WAL). One thread writes, others read (`sqlite_writing`, `sqlite_reading`).

Positions come from one AUTOINCREMENT key and one writer: their order is the order of the commits.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import anyio.to_thread

from crdt_sync_server.errors import StoreError
from crdt_sync_server.ports import RoomRecord, Stored
from crdt_sync_server.stores import sqlite_rows as rows
from crdt_sync_server.stores.sqlite_devices import SqliteDevices
from crdt_sync_server.stores.sqlite_file import connect, empty_log, open_file, transaction, translate, write_anew
from crdt_sync_server.stores.sqlite_health import damage
from crdt_sync_server.stores.sqlite_members import SqliteMembers
from crdt_sync_server.stores.sqlite_reading import Readers
from crdt_sync_server.stores.sqlite_threads import Answers
from crdt_sync_server.stores.sqlite_tokens import SqliteTokens
from crdt_sync_server.stores.sqlite_webhooks import SqliteWebhooks
from crdt_sync_server.stores.sqlite_writing import Writer

__all__ = ["SqliteStore"]

Durability: TypeAlias = Literal["full", "normal"]

RECORDS = "SELECT room, owner, bytes, updates, changed_ms, deleted_ms FROM rooms"
UNDER = f"{RECORDS} WHERE room = ?1 OR (room > ?1 || '/' AND room < ?1 || '0') ORDER BY room"  # 0 follows the slash
ERASE_WITHIN_S = 10.0
ERASE_TRIES = 100
USAGE = "SELECT coalesce(sum(bytes), 0) FROM rooms WHERE owner = ?"


@dataclass(slots=True)
class _Writing:
    """How far a snapshot is written. The writer's thread alone looks at it."""

    staged: rows.Staged | None = None


class SqliteStore:
    """`ports.RoomStore` in a file. Use `await SqliteStore.open(path)`, and `close` it."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        answers = Answers(loop)
        self._path = path
        self._writer = Writer(path, answers)
        self._readers = Readers(path, answers)
        self.members = SqliteMembers(self._writer, self._readers)
        """`keepers.Members` in the same file."""
        self.tokens = SqliteTokens(self._writer, self._readers)
        """`keepers.Tokens` in the same file."""
        self.devices = SqliteDevices(self._writer, self._readers)
        """`keepers.Devices` in the same file."""
        self.webhooks = SqliteWebhooks(self._writer, self._readers)
        """`keepers.Webhooks` in the same file."""

    @classmethod
    async def open(cls, path: Path, *, durability: Durability = "full") -> SqliteStore:
        """Open or make the file. `full` survives a power cut, `normal` a crash of the process alone.

        Raises `StoreError` if the file cannot be used: another program's, a newer version's, not writable, and
        `StoreInUse` if another process has it.
        """
        store = cls(path, asyncio.get_running_loop())
        store._writer.start(*await anyio.to_thread.run_sync(open_file, path, durability))
        store._readers.start()
        return store

    async def load(self, room: str) -> Stored:
        """Return all that is stored of `room`."""
        return await self._readers.read(lambda connection: rows.load(connection, room))

    async def append(self, room: str, update: bytes, owner: str | None = None) -> int:
        """Store `update` and return its position, once it is durable."""
        return await self._writer.append(room, update, owner)

    async def compact(self, room: str, segments: Sequence[bytes], through: int) -> None:
        """Put `segments` in the place of all updates up to the position `through`, in the last of its transactions."""
        *before, last = rows.pieces(segments)
        size_bytes = sum(map(len, segments))
        writing = _Writing()

        def stage(connection: sqlite3.Connection, piece: Sequence[bytes]) -> None:
            with transaction(connection):
                staged = rows.stage(connection, room, writing.staged, piece, len(segments))
            writing.staged = staged
            self._writer.spared.add(staged.number)

        def put_in_place(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                staged = rows.stage(connection, room, writing.staged, last, len(segments))
                rows.put_in_place(connection, room, staged, through, size_bytes)
                rows.sweep(connection, self._writer.spared)  # a short log goes at once

        def leave(connection: sqlite3.Connection) -> None:
            if writing.staged is not None:
                self._writer.spared.discard(writing.staged.number)

        try:
            for piece in before:
                await self._writer.call(partial(stage, piece=piece))
            await self._writer.call(put_in_place)
        finally:
            with suppress(StoreError):  # it is closed, and what was given up is swept when it is opened
                self._writer.post(leave)  # after what was asked before, also if that is not waited for any more

    async def delete(self, room: str) -> None:
        """Make a tombstone of `room`, in one transaction, and erase all that is stored of it in those that follow."""

        def bury(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                rows.bury(connection, room)

        await self._writer.call(bury)
        with suppress(StoreError):  # the writer tells, and tries again
            while await self._writer.call(self._writer.sweep):
                pass

    async def rooms(self, name: str | None = None) -> Sequence[RoomRecord]:
        """Return the records of all rooms by name, or of one."""
        which = (f"{RECORDS} ORDER BY room", ()) if name is None else (f"{RECORDS} WHERE room = ?", (name,))
        return [RoomRecord(*row) for row in await self._read(*which)]

    async def under(self, room: str) -> Sequence[RoomRecord]:
        """Return the records of `room` and of all rooms under it, by name."""
        return [RoomRecord(*row) for row in await self._read(UNDER, (room,))]

    async def usage(self, owner: str) -> int:
        """Return the bytes that are stored of all rooms of `owner`."""
        ((total,),) = await self._read(USAGE, (owner,))
        return int(total)

    async def damage(self) -> Sequence[str]:
        """Return what SQLite's check finds wrong with the file, and rooms whose records do not fit."""
        return await anyio.to_thread.run_sync(self._damage)

    async def erased(self) -> bool:
        """Erase all waste, write a file that is not too large anew, and empty the write-ahead log.

        Others may be reading from that log: then it is tried again, for `ERASE_WITHIN_S`.
        """
        while await self._writer.call(self._writer.sweep):
            pass
        is_new = await self._writer.call(write_anew)
        for _ in range(ERASE_TRIES):
            if await self._writer.call(empty_log):
                return is_new
            await asyncio.sleep(ERASE_WITHIN_S / ERASE_TRIES)
        raise StoreError(
            "what was erased is still in the write-ahead log, as somebody reads the store, a backup perhaps; "
            "ask again when that is over"
        )

    async def check(self) -> None:
        """Return if the store can write now; raise `StoreError` if not."""

        def run(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                pass

        await self._writer.call(run)

    async def close(self) -> None:
        """Finish the reads that were asked for, commit what waits, and close the file."""
        await self._readers.close()
        await self._writer.close()  # the last to close the file: what lies beside it goes into it

    async def _read(self, query: str, arguments: Sequence[Any]) -> list[Any]:
        return await self._readers.read(lambda connection: connection.execute(query, arguments).fetchall())

    def _damage(self) -> list[str]:
        """Look on a connection of its own, as that takes long. Runs on a thread."""
        try:
            with closing(connect(self._path)) as connection:
                return damage(connection)
        except sqlite3.Error as error:  # so damaged that the check itself stops
            return [str(translate(error, self._path))]
