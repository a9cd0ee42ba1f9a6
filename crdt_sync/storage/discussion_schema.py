"""The file of a group's discussions: opened or made, and bound to who uses it.

It is no library: what is in the tables of threads comes from the relay and can be fetched again. What is this device's
alone are the actions that wait to be sent, and the marks of what was read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crdt_sync.errors import LibraryTooNew, NotALibrary
from crdt_sync.storage.binding import Binding, elsewhere
from crdt_sync.storage.database import translated

__all__ = ["Discussion", "open_discussion"]

APPLICATION_ID = 0x63726469  # "crdi"
BUSY_TIMEOUT_S = 5.0
KEPT = (
    "CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), relay TEXT, room TEXT, subject TEXT)",
    "CREATE TABLE updates (seq INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB NOT NULL)",
    # an action leaves once it is done; that of a post that is done when the post has come, so that it never vanishes
    """CREATE TABLE outbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, action TEXT NOT NULL,
        at_ms INTEGER NOT NULL, is_done INTEGER NOT NULL DEFAULT 0, refusal TEXT
    )""",
    "CREATE TABLE marks (thread TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID",
)
VIEWS = (
    "DROP TABLE IF EXISTS threads",
    "DROP TABLE IF EXISTS posts",
    "DROP TABLE IF EXISTS reactions",
    """CREATE TABLE threads (
        id TEXT PRIMARY KEY, highlight TEXT NOT NULL, author TEXT, name TEXT, at_ms INTEGER NOT NULL,
        number INTEGER NOT NULL, resolved_by TEXT, resolved_at_ms INTEGER
    ) WITHOUT ROWID""",
    "CREATE INDEX threads_of_highlight ON threads (highlight)",
    """CREATE TABLE posts (
        id TEXT PRIMARY KEY, thread TEXT NOT NULL, parent TEXT, author TEXT, name TEXT,
        at_ms INTEGER NOT NULL, number INTEGER NOT NULL, text TEXT, edited_at_ms INTEGER, is_hidden INTEGER NOT NULL,
        is_removed INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE UNIQUE INDEX posts_of_thread ON posts (thread, number)",
    """CREATE TABLE reactions (
        post TEXT NOT NULL, person TEXT NOT NULL, reaction TEXT NOT NULL, subject TEXT NOT NULL,
        PRIMARY KEY (post, person, reaction)
    ) WITHOUT ROWID""",
)
"""Made from the log, and made again when they change: who opens the file fills them if they are empty."""
MIGRATIONS = ((*KEPT, *VIEWS), VIEWS)
"""What brings a file from each version to the next. Since version 2 an author may be nobody: a deleted user."""
SCHEMA_VERSION = len(MIGRATIONS)


class Discussion:
    """An open file."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all that the block writes, or nothing. Raises `StorageError`."""
        with translated(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file."""
        with translated(self.path):
            self.connection.close()


def open_discussion(path: Path, binding: Binding) -> Discussion:
    """Open or make the file of `binding`, for this process alone.

    Raises `BoundElsewhere` for another's, `LibraryBusy` while another process has it, and `StorageError`.
    """
    with translated(path):
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path)
            with Discussion(path, connection).transaction():
                _bind(connection, binding)
        except BaseException:
            connection.close()
            raise
    return Discussion(path, connection)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # two that send from one outbox would change its order
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise NotALibrary(f"{path} is no file of discussions; choose another")
    if version > SCHEMA_VERSION:
        raise LibraryTooNew(f"{path} was made by a newer version of crdt-sync; install that version to open it")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")  # what somebody has deleted is not to stay in free pages
    if version < SCHEMA_VERSION:
        with Discussion(path, connection).transaction():
            for migration in MIGRATIONS[version:]:
                for statement in migration:
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _bind(connection: sqlite3.Connection, wanted: Binding) -> None:
    """Bind the file at once: what waits in it would otherwise be sent in another's name."""
    found = connection.execute("SELECT relay, room, subject FROM state").fetchone()
    if found is None:
        row = (wanted.relay, wanted.room, wanted.subject)
        connection.execute("INSERT INTO state (one, relay, room, subject) VALUES (1, ?, ?, ?)", row)
    elif (bound := Binding(*found)) != wanted:
        raise elsewhere(bound, wanted)
