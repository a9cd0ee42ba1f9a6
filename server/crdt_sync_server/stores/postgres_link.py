"""The pooled connections of a store: single statements, and transactions.

Reads may be tried once more, as they change nothing. What changes something is never sent twice: a connection that is
lost before the answer leaves open whether it was done, and who asked is told that it failed.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from crdt_sync_server.errors import StoreError
from crdt_sync_server.stores.postgres_connecting import (
    ANSWER_S,
    Connection,
    Row,
    Target,
    configure,
    deadline,
    is_alive,
    rows,
    translate,
    words,
)

__all__ = ["Link", "Session"]

CONNECTIONS = 8
RECONNECT_S = 2.0
"""After so long the pool gives up and begins anew when it is asked, so it never sleeps through the server's return."""
IDLE_S = 60.0


class Link:
    """The pooled connections of one store. You must `open` and `close` it."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._last_failure: str | None = None
        self._pool = AsyncConnectionPool[Connection](
            target.conninfo,
            connection_class=self._noting(),
            kwargs={"autocommit": True},
            min_size=1,
            max_size=CONNECTIONS,
            open=False,
            configure=lambda connection: configure(connection, target),
            check=lambda connection: is_alive(connection, target),
            timeout=ANSWER_S,
            max_idle=IDLE_S,
            reconnect_timeout=RECONNECT_S,
            name="crdt-sync-server",
        )

    def _noting(self) -> type[Connection]:
        """Return a class of connections whose failures to connect are kept: the pool itself tells only its log."""
        link = self

        class Noting(psycopg.AsyncConnection[tuple[Any, ...]]):
            @classmethod
            async def connect(cls, *args: Any, **kwargs: Any) -> Any:
                try:
                    connection = await super().connect(*args, **kwargs)
                except psycopg.Error as error:
                    link._last_failure = words(error)
                    raise
                link._last_failure = None
                return connection

        return Noting

    async def open(self) -> None:
        """Make the first connection. Raises `StoreError`."""
        for name in ("psycopg", "psycopg.pool"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # who asks is told, and tells
        try:
            await self._pool.open(wait=True, timeout=ANSWER_S)
        except PoolTimeout as error:
            raise self._no_connection() from error

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close(timeout=ANSWER_S)

    async def read(self, query: str, parameters: Any = (), *, within_s: float = ANSWER_S) -> list[Row]:
        """Return the rows of one statement that changes nothing. A lost connection is tried once more on another."""
        try:
            return await self._once(query, parameters, within_s)
        except _Lost:
            return await self.run(query, parameters, within_s=within_s)

    async def run(self, query: str, parameters: Any = (), *, within_s: float = ANSWER_S) -> list[Row]:
        """Return the rows of one statement, which is a transaction of its own. It may change something."""
        try:
            return await self._once(query, parameters, within_s)
        except _Lost as error:
            raise StoreError(str(error)) from error

    async def _once(self, query: str, parameters: Any, within_s: float) -> list[Row]:
        async with self._connection() as connection:
            try:
                with deadline(connection, self.target, within_s):
                    return await rows(connection, query, parameters)
            except psycopg.Error as error:
                if connection.closed:
                    raise _Lost(str(translate(error, self.target))) from error
                raise

    @asynccontextmanager
    async def transaction(self, *, commit_s: float = ANSWER_S) -> AsyncIterator[Session]:
        """Write all that the block writes, or nothing; the commit may take so long.

        What it raises of ours comes out, and `StoreError` for everything else; then it may be written or not, if the
        connection was lost at the end.
        """
        async with self._connection() as connection:
            session = Session(connection, self.target)
            await session.execute("BEGIN")
            try:
                yield session
                await session.execute("COMMIT", within_s=commit_s)
            except BaseException:
                with suppress(psycopg.Error, StoreError):  # lost: the server rolls back
                    if not connection.closed:
                        await session.execute("ROLLBACK")
                raise

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        if self._pool.closed:
            raise StoreError("the store is closed")
        try:
            async with self._pool.connection() as connection:
                self.target.history.check(connection)
                yield connection
        except PoolTimeout as error:
            raise self._no_connection() from error
        except (psycopg.Error, OSError, UnicodeError) as error:
            raise translate(error, self.target) from error

    def _no_connection(self) -> StoreError:
        why = f": {self._last_failure}" if self._last_failure else ", as all are in use or it does not answer"
        return StoreError(f"no connection to PostgreSQL at {self.target.where} within {ANSWER_S:g} s{why}")


class Session:
    """A connection within a transaction."""

    def __init__(self, connection: Connection, target: Target) -> None:
        self._connection = connection
        self._target = target

    async def execute(self, query: str, parameters: Any = (), *, within_s: float = ANSWER_S) -> list[Row]:
        """Return the rows of a statement."""
        with deadline(self._connection, self._target, within_s):
            return await rows(self._connection, query, parameters)

    async def many(self, query: str, parameters: Sequence[Any]) -> None:
        """Run a statement for each of `parameters`, in one round trip."""
        with deadline(self._connection, self._target, ANSWER_S):
            async with self._connection.cursor(binary=True) as cursor:
                await cursor.executemany(query, parameters)


class _Lost(StoreError):
    """The connection was lost before the answer came."""
