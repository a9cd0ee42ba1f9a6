"""The one task that appends: what waits goes into one statement, which is one transaction and one round trip.

While it runs, more appends arrive, and go into the next one. So a relay under load pays for few commits, and an idle
one waits for one alone. It has a connection of its own: reads that wait for one of the pool hold up no append.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import psycopg
from psycopg import errors as pg

from crdt_sync_server.errors import RelayError, RoomDeleted, StoreError
from crdt_sync_server.stores.postgres_connecting import (
    ANSWER_S,
    Connection,
    Target,
    connect,
    deadline,
    is_alive,
    is_text,
    rows,
    translate,
)
from crdt_sync_server.stores.postgres_rows import APPEND

__all__ = ["Appender"]

BATCH_BYTES = 8 * 1024 * 1024
BATCH_UPDATES = 2_000
TRIES = 3
"""How often a batch is sent that the server has rolled back for another's sake (SQLSTATE class 40)."""


@dataclass(frozen=True, slots=True)
class _Append:
    room: str
    update: bytes
    owner: str | None
    done: asyncio.Future[int]


class Appender:
    """Appends to the rooms of a database. You must `start` and `close` it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._waiting: deque[_Append] = deque()
        self._news = asyncio.Event()
        self._is_closing = False
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None

    def start(self, connection: Connection) -> None:
        """Append on this connection from now on, and on others when it is lost."""
        self._connection = connection
        self._task = asyncio.create_task(self._serve(), name="crdt-sync-appends")

    async def append(self, room: str, update: bytes, owner: str | None) -> int:
        """Store `update` and return its position, once it is durable."""
        if self._task is None or self._is_closing:
            raise StoreError("the store is closed")
        if not (is_text(room) and is_text(owner or "")):  # alone: it would take its whole batch along
            raise StoreError("PostgreSQL stores no name with a null character, or with half a character")
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Append(room, update, owner, done))
        self._news.set()
        return await done

    async def close(self) -> None:
        """Commit what waits, and close the connection."""
        self._is_closing = True
        self._news.set()
        if self._task is not None:
            await self._task
        if self._connection is not None:
            await self._connection.close()

    async def _serve(self) -> None:
        while self._waiting or not self._is_closing:
            await self._news.wait()
            self._news.clear()
            while batch := self._taken():
                await self._settle(batch)

    def _taken(self) -> list[_Append]:
        batch: list[_Append] = []
        size = 0
        while self._waiting and len(batch) < BATCH_UPDATES:
            size += len(self._waiting[0].update)
            if batch and size > BATCH_BYTES:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _settle(self, batch: list[_Append]) -> None:
        """Append a batch and answer those who wait, whatever happens."""
        failure: RelayError | None = None
        positions: dict[str, int] = {}
        by_room: dict[str, list[_Append]] = {}
        for each in batch:
            by_room.setdefault(each.room, []).append(each)
        try:
            positions = await self._append(by_room)
        except Exception as error:
            failure = translate(error, self._target)
        for room, appends in by_room.items():
            for behind, each in zip(range(len(appends) - 1, -1, -1), appends, strict=True):
                if each.done.done():  # its caller was cancelled
                    continue
                if failure is not None:
                    each.done.set_exception(failure)
                elif room not in positions:
                    each.done.set_exception(RoomDeleted("the document was deleted"))
                else:
                    each.done.set_result(positions[room] - behind)

    async def _append(self, by_room: dict[str, list[_Append]]) -> dict[str, int]:
        """Return the last position of each room that was there to be appended to."""
        parameters = _parameters(list(by_room.values()))
        for left in reversed(range(TRIES)):
            connection = await self._connected()
            self._target.history.check(connection)
            try:
                with deadline(connection, self._target, ANSWER_S):
                    return dict(await rows(connection, APPEND, parameters))
            except pg.TransactionRollback:
                if not left:
                    raise
            except pg.ReadOnlySqlTransaction:  # it was made a standby: the next one goes to the primary
                await connection.close()
                raise
        raise AssertionError("the last try returns or raises")

    async def _connected(self) -> Connection:
        """Return the connection, or a new one if it is known to be lost, before anything was sent on it."""
        if self._connection is not None and not self._connection.closed:
            with suppress(psycopg.Error, StoreError):
                await is_alive(self._connection, self._target)
                return self._connection
            await self._connection.close()
        self._connection = None
        self._connection = await connect(self._target)
        return self._connection


def _parameters(rooms: Sequence[Sequence[_Append]]) -> dict[str, list[object]]:
    every = [(behind, each) for appends in rooms for behind, each in enumerate(reversed(appends))]
    return {
        "rooms": [appends[0].room for appends in rooms],
        "owners": [appends[0].owner for appends in rooms],
        "counts": [len(appends) for appends in rooms],
        "sizes": [sum(len(each.update) for each in appends) for appends in rooms],
        "of": [each.room for _, each in every],
        "behind": [behind for behind, _ in every],
        "datas": [each.update for _, each in every],
    }
