"""What `move-to-postgres` refuses, and what becomes of a connection that is lost: one line, and nothing is written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from crdt_sync_server.stores.sqlite_file import hold
from tests.server.operating import call, tell
from tests.server.test_moving import URL, filled, in_database

EMPTY_INDEX = b"\x0a\x00\x00\x00\x00\x10\x00\x00".ljust(4096, b"\x00")
"""A page of SQLite's that is the leaf of an index, without an entry."""
VERSION_1 = Path(__file__).parent / "stores" / "version_1.sql"


@pytest.mark.parametrize("at_the_end", [False, True])
def test_a_connection_that_is_lost_is_one_line_that_says_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str, at_the_end: bool
) -> None:
    filled(tmp_path, "one")
    tell(tmp_path, "webhooks", "add", "https://index.example/changed")
    monkeypatch.setenv(URL, postgres_url)
    assert tell(tmp_path, "rooms", "list") == []
    kind, when = ("CONSTRAINT TRIGGER", "DEFERRABLE INITIALLY DEFERRED") if at_the_end else ("TRIGGER", "")
    with psycopg.connect(postgres_url, autocommit=True, options="-csearch_path=crdt_sync") as connection:
        connection.execute(
            "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END'"
        )
        connection.execute(f"CREATE {kind} cut AFTER INSERT ON webhooks {when} FOR EACH ROW EXECUTE FUNCTION cut()")
        done = call(tmp_path, "move-to-postgres")
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
        assert b"terminating connection" in done.stderr
        assert (b"whether all was written is not known: ask again" in done.stderr) == at_the_end
        assert connection.execute("SELECT count(*) FROM rooms").fetchall() == [(0,)]
        connection.execute("DROP TRIGGER cut ON webhooks")
    assert tell(tmp_path, "move-to-postgres")["rooms"] == 1


def test_into_a_database_that_holds_anything_nothing_is_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    data = tmp_path / "data"
    filled(data, "one")
    monkeypatch.setenv(URL, postgres_url)
    made = tell(data, "tokens", "create", "ada")
    refused = call(data, "move-to-postgres")
    assert refused.returncode == 1
    assert b"is not empty, it has audit, tokens, and nothing is merged" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert tell(data, "rooms", "list") == []
    assert in_database(postgres_url, "WITH gone AS (DELETE FROM audit) DELETE FROM tokens RETURNING id") == [
        (made["id"],)
    ]
    assert tell(data, "move-to-postgres")["rooms"] == 1
    refused = call(data, "move-to-postgres")
    assert (refused.returncode, b"it has rooms, updates, and" in refused.stderr) == (1, True)
    assert tell(data, "rooms", "verify") == {"rooms": 1, "problems": []}


def test_what_cannot_be_moved_is_one_line_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    data, database = tmp_path / "data", tmp_path / "data" / "relay.sqlite3"
    schema = "SELECT to_regnamespace('crdt_sync') IS NOT NULL"

    def refused(*words: bytes) -> None:
        done = call(data, "move-to-postgres")
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
        assert all(each in done.stderr for each in words), done.stderr

    filled(data, "one", "two")
    whole = database.read_bytes()
    refused(b"name the database to move to in database-url")
    monkeypatch.setenv(URL, postgres_url)
    database.unlink()
    refused(b"there is no store at", b"--data")
    database.write_bytes(whole)
    with closing(hold(database)):
        refused(b"in use by another process")
    change(database, "UPDATE rooms SET bytes = bytes + 1 WHERE room = 'two'")
    refused(b"is damaged: room 'two'", b"rooms verify")
    database.write_bytes(whole[: len(whole) - 8192])
    refused(b"is damaged: database disk image is malformed", b"rooms verify")
    page = 4096 * (page_of(database, whole, "updates_of_room") - 1)
    database.write_bytes(whole[:page] + EMPTY_INDEX + whole[page + 4096 :])
    refused(b"is damaged: row 1 missing from index updates_of_room", b"rooms verify")
    database.write_bytes(b"no database" * 1000)
    refused(b"is not an SQLite database")
    database.unlink()
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(VERSION_1.read_text())
    old = database.read_bytes()
    refused(b"written by an older version", b"rooms verify` without database-url")
    assert database.read_bytes() == old
    database.write_bytes(b"")
    refused(b"is empty")
    assert in_database(postgres_url, schema) == [(False,)]

    database.write_bytes(whole)
    change(database, "UPDATE rooms SET owner = 'half' || char(0)")
    refused(b"takes no such row of rooms as that of 'one': a text has a null character")
    database.write_bytes(whole)
    change(database, "INSERT INTO audit (at_ms, what, room) VALUES ('noon', 'x', 'y')")
    refused(b"takes no such row of audit as that of 'noon'")
    assert in_database(postgres_url, "SELECT (SELECT count(*) FROM rooms), (SELECT count(*) FROM keys)") == [(0, 0)]
    database.write_bytes(whole)
    change(database, "UPDATE rooms SET room = room || char(0), deleted_ms = 5, bytes = 0, updates = 0")
    assert tell(data, "move-to-postgres")["tombstones"] == 0  # as no room of a database can have such a name


def page_of(database: Path, whole: bytes, name: str) -> int:
    """Return the number of the page in which a table or an index begins."""
    database.write_bytes(whole)
    with closing(sqlite3.connect(database)) as connection:
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchall()
    return int(page)


def change(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)
