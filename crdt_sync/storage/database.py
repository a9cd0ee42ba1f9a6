"""Opens the library's SQLite file, and turns what the driver raises into errors that say what to do."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from crdt_sync.errors import (
    CrdtSyncError,
    DiskFull,
    LibraryBusy,
    LibraryDamaged,
    LibraryTooNew,
    NotALibrary,
    ReadOnlyFile,
    StorageError,
)

__all__ = ["Database", "Durability", "open_database", "reading_back", "size_of", "translated", "wal_of"]

Durability: TypeAlias = Literal["full", "normal"]

APPLICATION_ID = 0x63726C62  # "crlb"
SCHEMA_VERSION = 7
"""How many migrations there are; kept in `user_version`, so that opening need not load what migrates."""
BUSY_TIMEOUT_S = 5.0
REPAIR = "It was left as it is; `crdt-sync repair` makes a new file of all that can still be read"
KEEP_WAL_BYTES = 4 * 1024 * 1024
"""A longer write-ahead log, as a compaction leaves one, is cut to this once it has been taken into the file."""


@dataclass(frozen=True, slots=True)
class Database:
    """An open file. One that may not be written is read as it stood, and `check` raises once that is no longer so."""

    path: Path
    connection: sqlite3.Connection
    read_only: bool = False
    stamp: tuple[int, int] | None = None
    """Modification time in nanoseconds and size in bytes, of a file that is read without locks."""

    def check(self) -> None:
        """Raise `LibraryBusy` if the file is read without locks and has been written since it was opened."""
        if self.stamp is not None and (_stamp(self.path) != self.stamp or wal_of(self.path).exists()):
            raise LibraryBusy(f"{self.path} was written by another program meanwhile; open it again")

    def check_writable(self) -> None:
        """Raise `ReadOnlyFile` if the file may not be written."""
        if self.read_only:
            raise ReadOnlyFile(
                f"{self.path} may be read and not written; change its permissions, or copy it to a folder of your own"
            )


def open_database(path: Path, durability: Durability) -> Database:
    """Open or make a library file. `full` survives a power cut, `normal` a crash of the process alone.

    A file that may not be written is opened for reading. Raises `StorageError`; a file that is not a library, or is
    newer than this code, is left as it is.
    """
    connection: sqlite3.Connection | None = None
    with translated(path):
        _check_log_has_file(path)
        try:
            if path.exists() and not _may_write(path):
                database = _open_to_read(path)
                connection = database.connection
                _check_ours(connection, path, writable=False)
                return database
            connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
            connection.execute(f"PRAGMA synchronous = {durability.upper()}")
            _prepare(connection, path)
        except BaseException:
            if connection is not None:
                connection.close()
            raise
    return Database(path, connection)


def wal_of(path: Path) -> Path:
    """Return the write-ahead log of a library file."""
    return path.with_name(f"{path.name}-wal")


def size_of(path: Path) -> int:
    """Return how many bytes a file has, 0 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _check_log_has_file(path: Path) -> None:
    """Raise `LibraryDamaged` if of a library only its write-ahead log is there: opening it, SQLite would delete that.

    The log is looked at first: another process that makes the file has written to it before there is a log.
    """
    if size_of(wal_of(path)) and not size_of(path):
        raise LibraryDamaged(f"{path} is gone or empty, and its write-ahead log is still there. {REPAIR}")


def _may_write(path: Path) -> bool:
    """Say whether a file may be written, and a write-ahead log beside it, which one that is open has already."""
    return os.access(path, os.W_OK) and (wal_of(path).exists() or os.access(path.absolute().parent, os.W_OK))


def _open_to_read(path: Path) -> Database:
    """Open a file that may not be written.

    While another program has it open there is a WAL, and SQLite reads the two together under its locks. Without one
    nobody has it open, and it is read without locks: a guest that made a WAL of its own would shut the owner out of it.
    """
    has_wal = wal_of(path).exists()
    stamp = None if has_wal else _stamp(path)
    mode = "mode=ro" if has_wal else "immutable=1"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None,
        check_same_thread=False,
    )  # fmt: skip
    return Database(path, connection, read_only=True, stamp=stamp)


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _check_ours(connection: sqlite3.Connection, path: Path, *, writable: bool) -> int:
    """Return the file's version, or raise if it is not for us."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise NotALibrary(f"{path} is the database of another program; choose another file")
    if version > SCHEMA_VERSION:
        raise LibraryTooNew(f"{path} was made by a newer version of crdt-sync; install that version to open it")
    if version < SCHEMA_VERSION and not writable:
        raise ReadOnlyFile(f"{path} is of an older version and may not be written; copy it to a folder of your own")
    return int(version)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    version = _check_ours(connection, path, writable=True)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA journal_size_limit = {KEEP_WAL_BYTES}")
    if version == SCHEMA_VERSION:
        return
    import sqlite_utils  # 0.1 s to load, and only a new or old file needs it

    from crdt_sync.storage.migrations import migrate

    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    migrate(sqlite_utils.Database(connection))
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
    except UnicodeDecodeError as error:  # what SQLite says of a damaged schema may itself be damaged
        raise LibraryDamaged(f"{path} is damaged. {REPAIR}") from error


@contextmanager
def reading_back(path: Path) -> Iterator[None]:
    """Like `translated`, for a block that only reads: what it cannot make sense of was not written by this code."""
    try:
        with translated(path):
            yield
    except CrdtSyncError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise LibraryDamaged(f"{path} holds what was never written there ({error}). {REPAIR}") from error


def _translate(error: sqlite3.Error | OSError, path: Path) -> StorageError:
    code = getattr(error, "sqlite_errorcode", None)
    said = str(error)
    if code == sqlite3.SQLITE_IOERR_SHORT_READ or "decode to UTF-8" in said or "no such table" in said:
        code = sqlite3.SQLITE_CORRUPT  # the file is cut off, a text is none, or a table of ours is gone
    match code & 0xFF if code is not None else None:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return LibraryBusy(f"{path} is held by another process; try again, or close the other program")
        case sqlite3.SQLITE_FULL:
            return DiskFull(f"the disk that holds {path} is full; nothing was changed. Make room and try again")
        case sqlite3.SQLITE_NOTADB:
            return NotALibrary(f"{path} is not a library; choose another file")
        case sqlite3.SQLITE_CORRUPT:
            return LibraryDamaged(f"{path} is damaged. {REPAIR}")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return ReadOnlyFile(f"{path} cannot be written; change its permissions or choose another file")
        case sqlite3.SQLITE_CANTOPEN:
            return StorageError(f"{path} cannot be opened; does its folder exist, and may you write there?")
    return StorageError(f"{path}: {error}")
