"""What is wrong with a library's file, in words; an empty list is a sound file. The caller holds the transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import cache

from crdt_sync.document.library_document import LibraryDocument
from crdt_sync.errors import LibraryDamaged
from crdt_sync.storage.log import Log
from crdt_sync.storage.read_model import ReadModel

__all__ = ["file", "full_text", "log", "projected", "read_model"]


def file(connection: sqlite3.Connection) -> list[str]:
    """Return what SQLite itself finds: the structure of the file, its indexes, what a column may hold."""
    try:
        rows = connection.execute("PRAGMA integrity_check(20)").fetchall()
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [line for (row,) in rows for line in str(row).splitlines() if line != "ok" and not line.startswith("***")]


def log(log: Log) -> list[str]:
    """Return what is missing from the log, or was changed in it."""
    found = log.holes()
    try:
        log.after(0)
    except LibraryDamaged as error:
        found.append(str(error))
    return found


def read_model(log: Log, read: ReadModel, random_id: Callable[[], int]) -> list[str]:
    """Return where the log does not fit together, or the tables are not what it says.

    The document is read from the file and projected in memory, so that no other process is held up. Tables of an older
    version are not looked at: they are made anew when the library is next opened.
    """
    if not read.is_current():
        return []
    updates, _ = log.after(0)
    with closing(LibraryDocument([], random_id)) as document:
        _, failure = document.receive(updates)
        if failure is not None:
            return [f"the log does not fit together: {failure}"]
        with closing(projected(document)) as memory:
            wanted = ReadModel(memory).content()
    there = read.content()
    return [f"the table of {name} is not what the log says" for name, rows in wanted.items() if rows != there[name]]


def projected(document: LibraryDocument) -> sqlite3.Connection:
    """Return the tables that queries read, made of a document, in memory. Any thread may use them, one at a time."""
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        with closing(sqlite3.connect(":memory:")) as empty:
            empty.deserialize(_empty())
            empty.backup(memory)  # a copy of it grows without a bound, a database that is deserialized does not
        memory.execute("BEGIN")
        ReadModel(memory).rebuild(document)
        memory.execute("COMMIT")
    except BaseException:
        memory.close()
        raise
    return memory


@cache
def _empty() -> bytes:
    """Return a database of the newest schema: to copy it takes a hundredth of the time that the migrations take."""
    import sqlite_utils

    from crdt_sync.storage.migrations import migrate

    with closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
        migrate(sqlite_utils.Database(memory))
        return memory.serialize()


def full_text(connection: sqlite3.Connection) -> list[str]:
    """Return whether the full-text index is what its table says. SQLite counts this check as a write."""
    try:
        connection.execute("INSERT INTO search (search, rank) VALUES ('integrity-check', 1)")
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        return ["the full-text index is not what its table says"]
    return []
