"""The relay's file as `moving.Holdings`: read from its first row to its last while nobody else has it.

Nothing in it changes, nor in the write-ahead log that a kill has left beside it: SQLite would take that into the file
when the last connection is closed, but not over one that may only read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

from crdt_sync_server.errors import StoreError
from crdt_sync_server.moving import TABLES
from crdt_sync_server.stores.sqlite_file import SCHEMA_VERSION, check_ours, hold, translate
from crdt_sync_server.stores.sqlite_health import damage

__all__ = ["SqliteHoldings", "leaving"]

PLACED = """
SELECT *, CASE WHEN updates > 0 THEN (SELECT max(position) FROM updates WHERE updates.room = rooms.room) ELSE through
END AS last FROM rooms
"""
"""Each record with the position of its last update, which stays; those before it close up."""
ROOMS = f"""
SELECT room, owner, bytes, updates, last, last - updates, end_part > first_part, end_part - first_part, changed_ms,
    deleted_ms
FROM ({PLACED}) ORDER BY room
"""
WITH_SNAPSHOT = "SELECT room, first_part, end_part FROM rooms WHERE end_part > first_part ORDER BY room"
SEGMENTS = "SELECT part, data FROM snapshots WHERE room = ? AND part >= ? AND part < ? ORDER BY part"
WITH_LOG = f"SELECT room, through, last - updates FROM ({PLACED}) WHERE updates > 0 ORDER BY room"
LOG = "SELECT data FROM updates WHERE room = ? AND position > ? ORDER BY position"
"""A room at a time: SQLite would sort what a join of them gives, and hold all data of a room for that."""
AUDIT = f"SELECT {TABLES['audit']} FROM audit ORDER BY number"


class SqliteHoldings:
    """`moving.Holdings` of an open file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        ((self.size_bytes,),) = connection.execute("SELECT coalesce(sum(bytes), 0) FROM rooms").fetchall()

    def rows(self, table: str) -> Iterator[tuple[Any, ...]]:
        """Return the rows of one of the tables one by one."""
        match table:
            case "rooms":
                return self._connection.execute(ROOMS)
            case "segments":
                return self._segments()
            case "updates":
                return self._log()
            case "audit":
                return self._connection.execute(AUDIT)
        return self._connection.execute(f"SELECT {TABLES[table]} FROM {table}")

    def _segments(self) -> Iterator[tuple[str, int, int, bytes]]:
        for room, first, end in self._connection.execute(WITH_SNAPSHOT):
            for part, data in self._connection.execute(SEGMENTS, (room, first, end)):
                yield room, 1, part - first, data

    def _log(self) -> Iterator[tuple[str, int, bytes]]:
        for room, through, before in self._connection.execute(WITH_LOG):
            for position, (data,) in enumerate(self._connection.execute(LOG, (room, through)), before + 1):
                yield room, position, data


@contextmanager
def leaving(path: Path) -> Iterator[SqliteHoldings]:
    """Hold the store at `path`, check all of it, and read it, for as long as the block lasts.

    Raises `StoreError` if it cannot be had, is of an older version, or is damaged, and `StoreInUse` while a relay runs.
    """
    if not path.exists():
        raise StoreError(f"there is no store at {path}; name its folder with --data")
    try:
        with closing(hold(path)), closing(_open(path)) as connection:
            version = check_ours(connection, path)
            if version == 0:
                raise StoreError(f"{path} is empty: no relay has stored anything in it")
            if version < SCHEMA_VERSION:
                raise StoreError(
                    f"{path} was written by an older version; `crdt-sync-server rooms verify` without database-url "
                    "brings it up to date"
                )
            connection.execute("BEGIN")  # all tables as of one moment
            if found := damage(connection):
                raise _damaged(path, found[0])
            yield SqliteHoldings(connection)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT:
            raise _damaged(path, str(error)) from error
        raise translate(error, path) from error
    except (sqlite3.Error, OSError) as error:
        raise translate(error, path) from error


def _damaged(path: Path, what: str) -> StoreError:
    return StoreError(
        f"{path} is damaged: {shorten(what, 200)}; restore a backup, or delete the rooms that cannot be read "
        "(`crdt-sync-server rooms verify` without database-url lists all)"
    )


def _open(path: Path) -> sqlite3.Connection:
    """Return a connection that only reads. Without a log to be read, it makes none either."""
    log = path.with_name(f"{path.name}-wal")
    how = "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None, check_same_thread=False)
