"""The library file's schema, step by step. A step never changes once it has been released; a new one follows it."""

from __future__ import annotations

from zlib import crc32

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

__all__ = ["migrate"]

_migrations = Migrations("crdt-sync")


@_migrations()
def m001_log_and_read_model(db: Database) -> None:
    """The log, its snapshots, the counters, and the read model that follows from them."""
    for statement in (
        # AUTOINCREMENT: a plain rowid would be used again after a compaction
        "CREATE TABLE updates (seq INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB NOT NULL, received_by TEXT)",
        "CREATE TABLE snapshots (part INTEGER PRIMARY KEY, through INTEGER NOT NULL, data BLOB NOT NULL)",
        """CREATE TABLE state (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            edits_made INTEGER NOT NULL DEFAULT 0,
            edits_acknowledged INTEGER NOT NULL DEFAULT 0,
            durable_at_ms INTEGER,
            relay TEXT, room TEXT, subject TEXT
        )""",
        "INSERT INTO state (one) VALUES (1)",
        """CREATE TABLE highlights (
            id TEXT PRIMARY KEY, work TEXT NOT NULL, source TEXT NOT NULL, color TEXT NOT NULL, style TEXT NOT NULL,
            comment TEXT NOT NULL, anchor TEXT NOT NULL, created_at_ms INTEGER NOT NULL, created_by TEXT NOT NULL,
            updated_at_ms INTEGER NOT NULL, deleted_at_ms INTEGER
        )""",
        "CREATE INDEX highlights_by_place ON highlights (work, source)",
        "CREATE INDEX highlights_by_source ON highlights (source)",
        """CREATE TABLE notes (
            id TEXT PRIMARY KEY, highlight_id TEXT, title TEXT NOT NULL, text TEXT NOT NULL,
            created_at_ms INTEGER NOT NULL, created_by TEXT NOT NULL, updated_at_ms INTEGER NOT NULL,
            deleted_at_ms INTEGER
        )""",
        "CREATE INDEX notes_of_highlight ON notes (highlight_id)",
        "CREATE TABLE tags (item_id TEXT NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (item_id, tag)) WITHOUT ROWID",
        "CREATE INDEX items_of_tag ON tags (tag, item_id)",
        "CREATE TABLE searched (rowid INTEGER PRIMARY KEY, item_id TEXT NOT NULL UNIQUE, text TEXT NOT NULL)",
        """CREATE VIRTUAL TABLE search USING fts5 (
            text, content='searched', content_rowid='rowid', tokenize='unicode61 remove_diacritics 2'
        )""",
    ):
        db.execute(statement)


@_migrations()
def m002_checks_and_what_waits(db: Database) -> None:
    """A CRC-32 beside every update, whole snapshots, what no relay has yet, and what a repair could not place."""
    db.conn.create_function("crc32", 1, crc32, deterministic=True)
    for statement in (
        "ALTER TABLE updates ADD COLUMN crc INTEGER NOT NULL DEFAULT 0",
        "UPDATE updates SET crc = crc32(data)",
        "ALTER TABLE snapshots ADD COLUMN parts INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE snapshots ADD COLUMN crc INTEGER NOT NULL DEFAULT 0",
        "UPDATE snapshots SET crc = crc32(data), parts = (SELECT count(*) FROM snapshots)",
        # an item that was edited here, and the number of its last edit: it leaves when that edit is acknowledged
        "CREATE TABLE unsaved (item_id TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE waiting (id INTEGER PRIMARY KEY, data BLOB NOT NULL, crc INTEGER NOT NULL)",
        "CREATE TABLE rescued (item_id TEXT PRIMARY KEY, kind TEXT NOT NULL, value TEXT NOT NULL)",
    ):
        db.execute(statement)


@_migrations()
def m003_bookmarks(db: Database) -> None:
    """What kind of highlight each is. The rows are written anew, as a repair looks for whole ones."""
    db.execute("ALTER TABLE highlights ADD COLUMN kind TEXT NOT NULL DEFAULT 'highlight'")
    db.execute("UPDATE highlights SET kind = 'highlight'")


def migrate(db: Database) -> None:
    """Bring a file to the newest schema, each step in a transaction of its own."""
    _migrations.apply(db)
