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


@_migrations()
def m004_search_and_organisation(db: Database) -> None:
    """What search, lists, collections and links read. The tables are filled when the library is opened."""
    for statement in (
        # which version of the tables for queries is there: those of a new file, which are empty, or none yet
        "CREATE TABLE projected (version INTEGER NOT NULL)",
        "INSERT INTO projected SELECT NOT EXISTS (SELECT 1 FROM updates UNION ALL SELECT 1 FROM snapshots)",
        "ALTER TABLE highlights ADD COLUMN place TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE notes ADD COLUMN title_key TEXT NOT NULL DEFAULT ''",
        "UPDATE highlights SET place = ''",  # as a repair looks for whole rows
        "UPDATE notes SET title_key = ''",
        "CREATE INDEX highlights_in_order ON highlights (work, place, created_at_ms, id)",
        "CREATE INDEX highlights_of_color ON highlights (color, work, place, created_at_ms, id)",
        "CREATE INDEX highlights_by_time ON highlights (created_at_ms)",
        "CREATE INDEX highlights_by_change ON highlights (updated_at_ms)",
        "CREATE INDEX highlights_of_work_by_change ON highlights (work, updated_at_ms) WHERE deleted_at_ms IS NULL",
        "CREATE INDEX highlights_in_trash ON highlights (deleted_at_ms) WHERE deleted_at_ms IS NOT NULL",
        "CREATE INDEX notes_by_time ON notes (created_at_ms)",
        "CREATE INDEX notes_by_change ON notes (updated_at_ms)",
        "CREATE INDEX notes_by_title ON notes (title_key)",
        "CREATE INDEX notes_in_trash ON notes (deleted_at_ms) WHERE deleted_at_ms IS NOT NULL",
        """CREATE TABLE collections (
            id TEXT PRIMARY KEY, title TEXT NOT NULL, created_at_ms INTEGER NOT NULL, created_by TEXT NOT NULL,
            updated_at_ms INTEGER NOT NULL, deleted_at_ms INTEGER
        )""",
        """CREATE TABLE members (
            collection_id TEXT NOT NULL, item_id TEXT NOT NULL, order_key TEXT NOT NULL,
            PRIMARY KEY (collection_id, item_id)
        ) WITHOUT ROWID""",
        "CREATE INDEX members_in_order ON members (collection_id, order_key, item_id)",
        "CREATE INDEX collections_of_item ON members (item_id)",
        """CREATE TABLE links (
            item_id TEXT NOT NULL, link TEXT NOT NULL, target TEXT NOT NULL, PRIMARY KEY (item_id, link)
        ) WITHOUT ROWID""",
        "CREATE INDEX links_to ON links (target, item_id)",
        """CREATE TABLE tallies (
            facet TEXT NOT NULL, value TEXT NOT NULL, items INTEGER NOT NULL, PRIMARY KEY (facet, value)
        ) WITHOUT ROWID""",
        "DROP TABLE search",
        "DROP TABLE searched",
        """CREATE TABLE searched (
            rowid INTEGER PRIMARY KEY, item_id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, trashed INTEGER NOT NULL,
            passage TEXT NOT NULL, title TEXT NOT NULL, quote TEXT NOT NULL, text TEXT NOT NULL, comment TEXT NOT NULL,
            tags TEXT NOT NULL, heading TEXT NOT NULL
        )""",
        """CREATE VIRTUAL TABLE search USING fts5 (
            title, quote, text, comment, tags, heading, content='searched', content_rowid='rowid', prefix='3',
            tokenize="unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
        )""",
    ):
        db.execute(statement)


@_migrations()
def m005_undo_and_versions(db: Database) -> None:
    """What this file's edits did, to take it back, and named copies of the whole library."""
    for statement in (
        """CREATE TABLE undo (
            id INTEGER PRIMARY KEY AUTOINCREMENT, is_redo INTEGER NOT NULL, size INTEGER NOT NULL, step TEXT NOT NULL
        )""",
        "CREATE INDEX redo ON undo (id) WHERE is_redo",
        # a field that others wrote, and the last step of that time: none up to it takes that back
        "CREATE TABLE overtaken (key TEXT PRIMARY KEY, step INTEGER NOT NULL) WITHOUT ROWID",
        """CREATE TABLE versions (
            id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, saved_at_ms INTEGER NOT NULL,
            highlights INTEGER NOT NULL, notes INTEGER NOT NULL, data BLOB NOT NULL, crc INTEGER NOT NULL
        )""",
    ):
        db.execute(statement)


@_migrations()
def m006_reading_positions(db: Database) -> None:
    """Where each device reads, as the document says; where this one is, and who it is."""
    for statement in (
        """CREATE TABLE positions (
            device TEXT NOT NULL, work TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (device, work)
        ) WITHOUT ROWID""",
        "CREATE INDEX positions_in_work ON positions (work)",
        "CREATE TABLE own_positions (work TEXT PRIMARY KEY, value TEXT NOT NULL, is_written INTEGER NOT NULL)",
        "CREATE TABLE declined (work TEXT PRIMARY KEY, anchor TEXT NOT NULL)",
        """CREATE TABLE device (
            one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, name TEXT NOT NULL,
            host TEXT NOT NULL, file TEXT NOT NULL
        )""",
    ):
        db.execute(statement)


@_migrations()
def m007_one_row_number(db: Database) -> None:
    """Highlights, notes and the full text share row numbers, so that each index of the first two narrows a search.

    A plain rowid would not do: VACUUM may change it. The tables are filled anew when the library is opened, and until
    then show what they did.
    """
    highlights = (
        "id, work, source, color, style, comment, anchor, created_at_ms, created_by, updated_at_ms, deleted_at_ms, "
        "kind, place"
    )
    notes = "id, highlight_id, title, text, created_at_ms, created_by, updated_at_ms, deleted_at_ms, title_key"
    for statement in (
        "UPDATE projected SET version = 2 * NOT EXISTS (SELECT 1 FROM updates UNION ALL SELECT 1 FROM snapshots)",
        "ALTER TABLE highlights RENAME TO highlights_before",
        """CREATE TABLE highlights (
            row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, work TEXT NOT NULL, source TEXT NOT NULL,
            color TEXT NOT NULL, style TEXT NOT NULL, comment TEXT NOT NULL, anchor TEXT NOT NULL,
            created_at_ms INTEGER NOT NULL, created_by TEXT NOT NULL, updated_at_ms INTEGER NOT NULL,
            deleted_at_ms INTEGER, kind TEXT NOT NULL, place TEXT NOT NULL
        )""",
        f"INSERT INTO highlights ({highlights}) SELECT {highlights} FROM highlights_before",
        "DROP TABLE highlights_before",
        "CREATE INDEX highlights_by_place ON highlights (work, source)",
        "CREATE INDEX highlights_by_source ON highlights (source)",
        "CREATE INDEX highlights_in_order ON highlights (work, place, created_at_ms, id)",
        "CREATE INDEX highlights_of_color ON highlights (color)",
        "CREATE INDEX highlights_by_time ON highlights (created_at_ms)",
        "CREATE INDEX highlights_by_change ON highlights (updated_at_ms)",
        "CREATE INDEX highlights_of_work_by_change ON highlights (work, updated_at_ms) WHERE deleted_at_ms IS NULL",
        "CREATE INDEX highlights_in_trash ON highlights (deleted_at_ms) WHERE deleted_at_ms IS NOT NULL",
        "CREATE INDEX bookmarks ON highlights (work, place, created_at_ms, id) WHERE kind = 'bookmark'",
        "ALTER TABLE notes RENAME TO notes_before",
        """CREATE TABLE notes (
            row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, highlight_id TEXT, title TEXT NOT NULL,
            text TEXT NOT NULL, created_at_ms INTEGER NOT NULL, created_by TEXT NOT NULL,
            updated_at_ms INTEGER NOT NULL, deleted_at_ms INTEGER, title_key TEXT NOT NULL
        )""",
        f"INSERT INTO notes ({notes}) SELECT {notes} FROM notes_before",
        "DROP TABLE notes_before",
        "CREATE INDEX notes_of_highlight ON notes (highlight_id)",
        "CREATE INDEX notes_by_time ON notes (created_at_ms)",
        "CREATE INDEX notes_by_change ON notes (updated_at_ms)",
        "CREATE INDEX notes_by_title ON notes (title_key)",
        "CREATE INDEX notes_in_trash ON notes (deleted_at_ms) WHERE deleted_at_ms IS NOT NULL",
        "DROP TABLE search",
        "DROP TABLE searched",
        """CREATE TABLE searched (
            row INTEGER PRIMARY KEY, item_id TEXT NOT NULL, title TEXT NOT NULL, quote TEXT NOT NULL,
            text TEXT NOT NULL, comment TEXT NOT NULL, tags TEXT NOT NULL, heading TEXT NOT NULL
        )""",
        """CREATE VIRTUAL TABLE search USING fts5 (
            title, quote, text, comment, tags, heading, content='searched', content_rowid='row', prefix='3 4',
            tokenize="unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
        )""",
        # kept, as to find what leads to nothing takes a look at each link
        "ALTER TABLE links ADD COLUMN dangling INTEGER NOT NULL DEFAULT 0",
        "CREATE INDEX links_dangling ON links (item_id, link) WHERE dangling",
    ):
        db.execute(statement)


def migrate(db: Database) -> None:
    """Bring a file to the newest schema, each step in a transaction of its own."""
    _migrations.apply(db)
