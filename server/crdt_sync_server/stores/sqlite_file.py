"""The relay's file: its schema and migrations, its lock, and SQLite's errors in words.

One process at a time has the store: two relays on one file would each send what the other has not seen. It holds a
lock, a transaction on an empty SQLite file beside it, which the system takes back when the process dies, however it
does. Readers (`backup`) need no lock.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crdt_sync_server.errors import RelayError, StoreError, StoreInUse

__all__ = [
    "APPLICATION_ID",
    "SCHEMA_VERSION",
    "check_ours",
    "connect",
    "empty_log",
    "hold",
    "open_file",
    "prepare",
    "transaction",
    "translate",
    "write_anew",
]

APPLICATION_ID = 0x63726474  # "crdt"
MIGRATIONS = (
    """
CREATE TABLE updates (position INTEGER PRIMARY KEY AUTOINCREMENT, room TEXT NOT NULL, data BLOB NOT NULL);
CREATE INDEX updates_of_room ON updates (room, position);
CREATE TABLE snapshots (
    room TEXT NOT NULL, part INTEGER NOT NULL, through INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (room, part)
)""",
    """
CREATE TABLE rooms (
    room TEXT PRIMARY KEY, owner TEXT, bytes INTEGER NOT NULL, updates INTEGER NOT NULL, changed_ms INTEGER,
    deleted_ms INTEGER
) WITHOUT ROWID;
CREATE INDEX rooms_of_owner ON rooms (owner) WHERE owner IS NOT NULL;
INSERT INTO rooms (room, bytes, updates)
    SELECT room, sum(size), sum(log) FROM (
        SELECT room, length(data) AS size, 1 AS log FROM updates
        UNION ALL SELECT room, length(data), 0 FROM snapshots
    ) GROUP BY room""",
    """
ALTER TABLE rooms ADD COLUMN through INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rooms ADD COLUMN first_part INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rooms ADD COLUMN end_part INTEGER NOT NULL DEFAULT 0;
UPDATE rooms SET (through, end_part) = (
    SELECT coalesce(max(through), 0), coalesce(max(part) + 1, 0) FROM snapshots WHERE snapshots.room = rooms.room
);
CREATE TABLE waste (
    number INTEGER PRIMARY KEY AUTOINCREMENT, room TEXT NOT NULL, first_part INTEGER NOT NULL,
    end_part INTEGER NOT NULL, through INTEGER NOT NULL
)""",
    """
CREATE TABLE rosters (
    room TEXT PRIMARY KEY, name TEXT, made_by TEXT, made_ms INTEGER, deleted_ms INTEGER
) WITHOUT ROWID;
CREATE TABLE members (
    room TEXT NOT NULL, subject TEXT NOT NULL, role TEXT NOT NULL, since_ms INTEGER NOT NULL, name TEXT,
    PRIMARY KEY (room, subject)
) WITHOUT ROWID;
CREATE INDEX members_of_subject ON members (subject, room);
CREATE TABLE invitations (
    id TEXT PRIMARY KEY, room TEXT NOT NULL, role TEXT NOT NULL, made_by TEXT, made_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL, uses_left INTEGER
) WITHOUT ROWID;
CREATE INDEX invitations_of_room ON invitations (room);
CREATE TABLE invitation_uses (
    invitation TEXT NOT NULL, subject TEXT NOT NULL, PRIMARY KEY (invitation, subject)
) WITHOUT ROWID;
CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, who TEXT, what TEXT NOT NULL, room TEXT NOT NULL,
    about TEXT, detail TEXT
);
CREATE TABLE keys (name TEXT PRIMARY KEY, secret BLOB NOT NULL) WITHOUT ROWID""",
    """
CREATE TABLE tokens (
    id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, subject TEXT NOT NULL, name TEXT, made_ms INTEGER NOT NULL,
    expires_ms INTEGER, revoked_ms INTEGER
) WITHOUT ROWID""",
    """
CREATE TABLE webhooks (
    id TEXT PRIMARY KEY, url TEXT NOT NULL, room TEXT, under TEXT, made_ms INTEGER NOT NULL, secret BLOB NOT NULL
) WITHOUT ROWID""",
    """
ALTER TABLE tokens ADD COLUMN made_with TEXT;
ALTER TABLE tokens ADD COLUMN used_ms INTEGER;
CREATE INDEX tokens_of_subject ON tokens (subject);
CREATE INDEX tokens_made_with ON tokens (made_with) WHERE made_with IS NOT NULL;
CREATE TABLE devices (
    room TEXT NOT NULL, subject TEXT NOT NULL, device TEXT NOT NULL, transport TEXT NOT NULL,
    first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, times INTEGER NOT NULL,
    PRIMARY KEY (room, subject, device, transport)
) WITHOUT ROWID;
CREATE INDEX devices_of_subject ON devices (subject)""",
)
"""What brings a file from each version to the next; a new file takes all. `sqlite_rows` says what the tables of rooms
mean, `sqlite_members` those from `rosters` on, `sqlite_tokens`, `sqlite_webhooks` and `sqlite_devices` their own."""
SCHEMA_VERSION = len(MIGRATIONS)
BUSY_TIMEOUT_S = 5.0
ANEW_UP_TO_BYTES = 256 * 1024 * 1024
"""Appends wait while the file is written anew; what that took is in docs/design.md."""


def connect(path: Path, *, timeout_s: float | None = None) -> sqlite3.Connection:
    """Return a connection that begins no transaction by itself and may change threads."""
    timeout = BUSY_TIMEOUT_S if timeout_s is None else timeout_s
    return sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write all that the block writes, or nothing."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def hold(path: Path) -> sqlite3.Connection:
    """Take the lock of the store at `path` until the connection is closed. Raises `StoreInUse` if another has it."""
    lock = connect(path.with_name(f"{path.name}-lock"), timeout_s=0)
    try:
        lock.execute("PRAGMA journal_mode = MEMORY")  # no journal is left behind by a kill
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise StoreInUse(f"{path} is in use by another process: a relay that runs, or a command") from error
        raise
    return lock


def open_file(path: Path, durability: str) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Open or make the file: the writer's connection, and the lock that goes with it. Raises `StoreError`."""
    lock: sqlite3.Connection | None = None
    connection: sqlite3.Connection | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = hold(path)
        _make(path)
        connection = connect(path)
        prepare(connection, path)
        connection.execute(f"PRAGMA synchronous = {durability.upper()}")
        connection.execute("PRAGMA secure_delete = ON")  # what was erased is not to stay in free pages
    except (sqlite3.Error, OSError, StoreError) as error:
        for each in (connection, lock):
            if each is not None:
                each.close()
        raise translate(error, path) from error
    return connection, lock


def write_anew(connection: sqlite3.Connection) -> bool:
    """Write all that is in the file anew, without what is left of old rows; False if it is too large for that.

    `secure_delete` overwrites rows, but no copy of one that SQLite has left behind as it moved it to another page.
    """
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    if pages * page_bytes > ANEW_UP_TO_BYTES:
        return False
    connection.execute("VACUUM")
    return True


def empty_log(connection: sqlite3.Connection) -> bool:
    """Bring all of the write-ahead log into the file and cut it to nothing; False if others still read from it.

    It does not wait for them: appends would wait too.
    """
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        (is_busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
    return not is_busy


def _make(path: Path) -> None:
    """Make the file if it is not there, for its owner alone; its log gets the same mode. Raises `StoreError`."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size and not (path.exists() and path.stat().st_size):
        raise StoreError(
            f"{path} is gone or empty, and its write-ahead log {log.name} is not; put the file back beside it, or move "
            "the log away before you restore a backup (opening would delete it)"
        )
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a new or older file to this version; leave a file that is not ours, or newer than we are, as it is."""
    version = check_ours(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    if version < SCHEMA_VERSION:
        with transaction(connection):
            for migration in MIGRATIONS[version:]:
                for statement in migration.split(";"):
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def check_ours(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the file, 0 for an empty one. Raises `StoreError` if it is no file of ours, or a newer."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise StoreError(f"{path} is the database of another program; name another")
    if version > SCHEMA_VERSION:
        raise StoreError(f"{path} was written by a newer version of crdt-sync-server; install that version")
    return int(version)


def translate(error: Exception, path: Path) -> RelayError:
    """Return what SQLite or the system said as an error of ours, with what to do; one of ours as it is."""
    if isinstance(error, RelayError):
        return error
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(f"{path} is locked by another process; stop that process")
    if primary == sqlite3.SQLITE_FULL:
        return StoreError(f"the disk that holds {path} is full; make room, and the relay goes on by itself")
    if primary == sqlite3.SQLITE_NOTADB:
        return StoreError(f"{path} is not an SQLite database; name another")
    return StoreError(f"{path}: {error}")
