"""Opens the library's SQLite file, and turns what the driver raises into errors that say what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

from crdt_sync.errors import (
    CrdtSyncError,
    DiskFull,
    LibraryBusy,
    LibraryDamaged,
    LibraryTooNew,
    NotALibrary,
    StorageError,
)

__all__ = ["Durability", "open_database", "translated"]

Durability: TypeAlias = Literal["full", "normal"]

APPLICATION_ID = 0x63726C62  # "crlb"
SCHEMA_VERSION = 1
"""How many migrations there are; kept in `user_version`, so that opening need not load what migrates."""
BUSY_TIMEOUT_S = 5.0


def open_database(path: Path, durability: Durability) -> sqlite3.Connection:
    """Open or make a library file. `full` survives a power cut, `normal` a crash of the process alone.

    Raises `StorageError`; a file that is not a library, or is newer than this code, is left as it is.
    """
    connection: sqlite3.Connection | None = None
    with translated(path):
        try:
            connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
            _prepare(connection, path)
            connection.execute(f"PRAGMA synchronous = {durability.upper()}")
        except BaseException:
            if connection is not None:
                connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise NotALibrary(f"{path} is the database of another program; choose another file")
    if version > SCHEMA_VERSION:
        raise LibraryTooNew(f"{path} was made by a newer version of crdt-sync; install that version to open it")
    connection.execute("PRAGMA journal_mode = WAL")
    if version == SCHEMA_VERSION:
        return
    from sqlite_utils import Database  # 0.1 s to load, and only a new or old file needs it

    from crdt_sync.storage.migrations import migrate

    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    migrate(Database(connection))
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Let no driver's error out of the block."""
    try:
        yield
    except CrdtSyncError:
        raise
    except (sqlite3.Error, OSError) as error:
        raise _translate(error, path) from error


def _translate(error: sqlite3.Error | OSError, path: Path) -> StorageError:
    code = getattr(error, "sqlite_errorcode", None)
    match code & 0xFF if code is not None else None:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return LibraryBusy(f"{path} is held by another process; try again, or close the other program")
        case sqlite3.SQLITE_FULL:
            return DiskFull(f"the disk that holds {path} is full; nothing was changed. Make room and try again")
        case sqlite3.SQLITE_NOTADB:
            return NotALibrary(f"{path} is not a library; choose another file")
        case sqlite3.SQLITE_CORRUPT:
            return LibraryDamaged(f"{path} is damaged; it was left as it is. Keep a copy before anything else")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return StorageError(f"{path} cannot be written; change its permissions or choose another file")
        case sqlite3.SQLITE_CANTOPEN:
            return StorageError(f"{path} cannot be opened; does its folder exist, and may you write there?")
    return StorageError(f"{path}: {error}")
