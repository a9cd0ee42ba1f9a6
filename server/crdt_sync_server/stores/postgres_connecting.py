"""Connections to PostgreSQL: how they are made, how long an answer is waited for, and its errors in words.

Whatever is asked has a bound. When it is met the socket is shut down, so what waits for the answer is told at once that
the connection is lost; a query that is merely cancelled would wait for a server that cannot be reached. A connection
that has something to read while nothing was asked is dying: the server was stopped, or it was restarted. It is tried
before it is used, which costs the others nothing.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

from crdt_sync_server.errors import RelayError, StoreError
from crdt_sync_server.postgres_sockets import shut_down
from crdt_sync_server.stores.postgres_history import History

__all__ = [
    "ANSWER_S",
    "LONG_S",
    "SCHEMA",
    "Connection",
    "Row",
    "Target",
    "configure",
    "connect",
    "deadline",
    "is_alive",
    "is_text",
    "rows",
    "translate",
    "words",
]

Connection: TypeAlias = psycopg.AsyncConnection[tuple[Any, ...]]
Row: TypeAlias = tuple[Any, ...]

SCHEMA = "crdt_sync"
"""Where all tables lie, in whatever database."""
ANSWER_S = 5.0
"""How long an answer may take, and a connection."""
LONG_S = 60.0
"""The same of what writes or erases much."""

SESSION = """
SELECT set_config(name, value, false)
FROM (VALUES
    ('search_path', %(schema)s),
    ('default_transaction_isolation', 'read committed'),
    ('statement_timeout', '60s'),
    ('lock_timeout', '4s'),
    ('idle_in_transaction_session_timeout', '10s'),
    ('client_connection_check_interval', '2s'),
    ('tcp_keepalives_idle', '10'),
    ('tcp_keepalives_interval', '5'),
    ('tcp_keepalives_count', '3'),
    ('jit', 'off'),
    ('synchronous_commit', CASE WHEN %(relaxed)s THEN 'off'
        WHEN current_setting('synchronous_commit') = 'off' THEN 'on' ELSE current_setting('synchronous_commit') END)
) AS wanted (name, value)
WHERE name IN (SELECT name FROM pg_settings)
"""
"""What holds for each connection. A relay that is gone holds no lock for long, whatever its end was."""


@dataclass(frozen=True, slots=True)
class Target:
    """A database: what libpq is to be told, which may hold a password, and what people are."""

    conninfo: str = field(repr=False)
    where: str
    relaxed: bool = False
    """Whether a commit need not be durable before it is answered."""
    history: History = field(default_factory=History, repr=False, compare=False)
    """Which history of it the relay goes by."""

    @classmethod
    def of(cls, url: str, *, relaxed: bool = False) -> Target:
        """Read a URL or libpq's `key=value` words; what is not said comes from libpq's environment and files.

        Raises `StoreError`, which does not repeat the URL.
        """
        try:
            said = conninfo_to_dict(url)
        except (psycopg.Error, ValueError) as error:
            raise StoreError(
                "database-url is no PostgreSQL URL, like postgresql://user:password@host:5432/database; in a password "
                "the characters of URLs are percent-encoded"
            ) from error
        bounds: dict[str, str | int] = {
            "connect_timeout": int(ANSWER_S),
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 2,
            "tcp_user_timeout": int(ANSWER_S * 1000),
            "target_session_attrs": "read-write",
            "application_name": "crdt-sync-server",
        }
        return cls(
            make_conninfo(url, **{name: bound for name, bound in bounds.items() if name not in said}),
            _where(said),
            relaxed,
        )


async def connect(target: Target) -> Connection:
    """Return a connection that commits each statement, unless it is told otherwise. Raises `StoreError`."""
    try:
        async with asyncio.timeout(2 * ANSWER_S):  # of several hosts each has its own bound
            connection = await psycopg.AsyncConnection.connect(target.conninfo, autocommit=True)
        try:
            await configure(connection, target)
        except BaseException:
            await connection.close()
            raise
    except (psycopg.Error, OSError, TimeoutError) as error:
        raise translate(error, target) from error
    return connection


async def configure(connection: Connection, target: Target) -> None:
    """Set what holds for a new connection, and look where it leads."""
    with deadline(connection, target, ANSWER_S):
        await connection.execute(SESSION, {"schema": SCHEMA, "relaxed": target.relaxed})
        await target.history.meet(connection)


@contextmanager
def deadline(connection: Connection, target: Target, within_s: float) -> Iterator[None]:
    """Cut the connection off if the block takes longer. Raises `StoreError` then."""
    is_over = False

    def cut() -> None:
        nonlocal is_over
        is_over = True
        shut_down(connection)

    timer = asyncio.get_running_loop().call_later(within_s, cut)
    try:
        yield
    except psycopg.Error as error:
        if is_over:
            raise StoreError(f"PostgreSQL at {target.where} did not answer within {within_s:g} s") from error
        raise
    finally:
        timer.cancel()


async def is_alive(connection: Connection, target: Target) -> None:
    """Return if the connection can be used; raise if it is known to be lost, so that another is taken."""
    if target.history.is_past(connection):
        await connection.close()  # or the pool takes it back
        raise psycopg.OperationalError("the connection leads to a database that was left")
    poll = select.poll() if hasattr(select, "poll") else None
    if poll is not None:
        poll.register(connection.pgconn.socket, select.POLLIN)
        if not poll.poll(0):
            return
    with deadline(connection, target, ANSWER_S):
        await AsyncConnectionPool.check_connection(connection)


async def rows(connection: Connection, query: str, parameters: Any) -> list[Row]:
    """Return the rows of a statement, none for one that has none."""
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(query, parameters)
        return await cursor.fetchall() if cursor.description else []


def translate(error: Exception, target: Target) -> RelayError:
    """Return what PostgreSQL, its driver or the system said as an error of ours, with what to do."""
    if isinstance(error, RelayError):
        return error
    where, said = target.where, words(error)
    match error:
        case TimeoutError():
            return StoreError(f"PostgreSQL at {where} did not answer within {2 * ANSWER_S:g} s")
        case pg.ReadOnlySqlTransaction():
            return StoreError(f"PostgreSQL at {where} can only be read, as a standby; name the primary in database-url")
        case pg.InsufficientPrivilege():
            return StoreError(
                f"PostgreSQL at {where}: {said}; the relay's user must own the schema {SCHEMA}, or may create it "
                "(docs/postgres.md has the statements)"
            )
        case pg.DiskFull():
            return StoreError(f"the disk of PostgreSQL at {where} is full; make room, and the relay goes on by itself")
        case pg.LockNotAvailable() | pg.QueryCanceled():
            return StoreError(
                f"PostgreSQL at {where} took too long, or another transaction held what it needed: {said}"
            )
        case pg.UndefinedTable() | pg.InvalidSchemaName():
            return StoreError(f"PostgreSQL at {where}: {said}; start the relay again, which makes its tables")
    return StoreError(f"PostgreSQL at {where}: {said}")


def words(error: Exception) -> str:
    """Return the first line of what was said: the others may hold what was to be stored."""
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    lines = (primary or str(error) or type(error).__name__).splitlines()
    return " ".join(lines[0].split())


def _where(said: dict[str, Any]) -> str:
    """Return host, port and database for people; never a user's password."""

    def value(name: str, variable: str, otherwise: str) -> str:
        return str(said.get(name) or os.environ.get(variable) or otherwise)

    if service := said.get("service") or os.environ.get("PGSERVICE"):
        return f"service {service}"
    host = value("host", "PGHOST", str(said.get("hostaddr") or "the local socket"))
    user = value("user", "PGUSER", "")
    return f"{host}:{value('port', 'PGPORT', '5432')}/{value('dbname', 'PGDATABASE', user)}"


def is_text(name: str) -> bool:
    """Say whether the server can have this as a text: no null character, and no half of one."""
    return "\0" not in name and name.encode("utf-8", "replace").decode() == name
