"""Backups of a relay that runs, and the way back, with real devices before and after."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from crdt_sync_server.errors import StoreError, StoreInUse
from crdt_sync_server.stores import sqlite_backup
from crdt_sync_server.stores.sqlite_backup import back_up, restore
from crdt_sync_server.stores.sqlite_file import hold
from tests.relay import RelayProcess
from tests.server.operating import call, call_process, edit, tell

VERSION_1 = Path(__file__).parent / "stores" / "version_1.sql"


def old_store(path: Path) -> None:
    """Make a store of version 1 at `path`."""
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1.read_text())


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_devices_bring_back_what_the_backup_lacks_and_what_was_deleted_stays_deleted(tmp_path: Path) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    with RelayProcess(data) as relay:
        edit(relay, tmp_path / "ada", "ada", "before")
        edit(relay, tmp_path / "ben", "doomed", "secret")
        edit(relay, tmp_path / "cleo", "ada")
        done = call_process(data, "backup", str(backup), "--json")
        assert done.returncode == 0, done.stderr
        assert b'"rooms": 2' in done.stdout
        edit(relay, tmp_path / "ada", "ada", "after")
        edit(relay, tmp_path / "cleo", "ada", "of another device")
        tell(data, "rooms", "delete", "doomed", "--yes")
        refused = call(data, "restore", str(backup))
        assert refused.returncode == 1
        assert b"in use by another process" in refused.stderr
        assert edit(relay, tmp_path / "ada", "ada") == ["after", "before", "of another device"]
    restored = tell(data, "restore", str(backup))
    assert restored["rooms"] == 1
    kept = Path(restored["replaced"])
    assert rows(kept, "SELECT count(*) FROM updates WHERE room = 'ada'")[0][0] == 3
    notes = call(data, "rooms", "export", "ada", "--json").stdout
    assert b"before" in notes
    assert b"after" not in notes
    with relay:
        assert edit(relay, tmp_path / "ada", "ada") == ["after", "before", "of another device"]
        assert edit(relay, tmp_path / "dora", "ada") == ["after", "before", "of another device"]
        assert [each["name"] for each in tell(data, "rooms", "list")] == ["ada"]
        assert [each["name"] for each in tell(data, "rooms", "list", "--deleted")] == ["doomed"]
        assert call(data, "rooms", "export", "doomed").returncode == 1
    assert tell(data, "rooms", "verify")["problems"] == []
    everything = b"".join(file.read_bytes() for file in data.iterdir() if file != kept and file.suffix != ".sock")
    assert b"body of secret" not in everything.replace(backup.read_bytes(), b"")


def test_a_backup_under_load_is_one_moment_of_the_store(tmp_path: Path) -> None:
    """Copies are made while devices write: each is sound, and what was durable before it began is in it."""
    data = tmp_path / "data"
    with RelayProcess(data) as relay:
        edit(relay, tmp_path / "first", "room", "durable before")
        stop = threading.Event()

        def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                edit(relay, tmp_path / "writer", "room", *(f"{number}-{each}" for each in range(20)))

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(5):
                back_up(data / "relay.sqlite3", tmp_path / f"backup-{number}")
        finally:
            stop.set()
            writer.join(60)
    for number in range(5):
        folder = tmp_path / f"restored-{number}"
        restore(tmp_path / f"backup-{number}", folder / "relay.sqlite3")
        assert tell(folder, "rooms", "verify") == {"rooms": 1, "problems": []}
        assert b"durable before" in call(folder, "rooms", "export", "room", "--json").stdout


def test_a_tombstone_of_the_backup_stays_too(tmp_path: Path) -> None:
    """The room was deleted before the backup was made; the store that is replaced never heard of it."""
    old_store(tmp_path / "relay.sqlite3")
    tell(tmp_path, "rooms", "delete", "room", "--yes")
    back_up(tmp_path / "relay.sqlite3", tmp_path / "backup")
    other = tmp_path / "other"
    old_store(other / "relay.sqlite3")
    tell(other, "rooms", "delete", "other", "--yes")
    copied = restore(tmp_path / "backup", other / "relay.sqlite3")
    assert (copied.rooms, copied.tombstones) == (0, 2)
    assert [each["name"] for each in tell(other, "rooms", "list", "--deleted")] == ["other", "room"]


def test_a_backup_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    old_store(tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "data" / "relay.sqlite3")
    assert [each["size_bytes"] for each in tell(tmp_path / "data", "rooms", "list")] == [3, 8]
    assert rows(tmp_path / "backup", "PRAGMA user_version") == [(1,)]


def test_nothing_is_written_over_and_nothing_half_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, backup = tmp_path / "relay.sqlite3", tmp_path / "backup"
    old_store(database)
    back_up(database, backup)
    whole = backup.read_bytes()
    with pytest.raises(StoreError, match="there already"):
        back_up(database, backup)
    assert backup.read_bytes() == whole
    with pytest.raises(StoreError, match="no store at"):
        back_up(tmp_path / "missing", tmp_path / "second")
    (tmp_path / "text").write_text("no database " * 1000)
    with pytest.raises(StoreError, match="text is not an SQLite database"):
        back_up(tmp_path / "text", tmp_path / "second")
    with pytest.raises(StoreError, match="text/data"):
        restore(backup, tmp_path / "text" / "data" / "relay.sqlite3")
    before = rows(database, "SELECT * FROM updates")
    for bad in ("text", "missing", "cut"):
        (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(StoreError):
            restore(tmp_path / bad, database)
    with pytest.raises(StoreInUse), closing(hold(database)):
        restore(backup, database)

    def fails(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sqlite_backup, "_sync", fails)
    with pytest.raises(StoreError, match="No space left"):
        back_up(database, tmp_path / "second")
    with pytest.raises(StoreError, match="No space left"):
        restore(backup, database)
    assert rows(database, "SELECT * FROM updates") == before
    left = {path.name for path in tmp_path.iterdir() if not path.name.startswith("relay.sqlite3.replaced-")}
    assert left == {"relay.sqlite3", "relay.sqlite3-lock", "backup", "text", "cut"}


def test_the_copies_are_for_their_owner_alone(tmp_path: Path) -> None:
    database = tmp_path / "relay.sqlite3"
    old_store(database)
    database.chmod(0o640)
    back_up(database, tmp_path / "backup")
    assert os.stat(tmp_path / "backup").st_mode & 0o777 == 0o600
    restore(tmp_path / "backup", database)
    assert os.stat(database).st_mode & 0o777 == 0o640
    restore(tmp_path / "backup", tmp_path / "new" / "relay.sqlite3")
    assert os.stat(tmp_path / "new" / "relay.sqlite3").st_mode & 0o777 == 0o600


def test_a_backup_is_not_put_beside_the_log_of_a_store_that_was_moved_away(tmp_path: Path) -> None:
    """SQLite would play it back on top of the backup, and what was restored would be gone."""
    data, backup = tmp_path / "data", tmp_path / "backup"
    with RelayProcess(data) as relay:
        edit(relay, tmp_path / "ada", "ada", "before")
        back_up(data / "relay.sqlite3", backup)
        edit(relay, tmp_path / "ben", "ben", "after")
        relay.kill()
    (data / "relay.sqlite3").rename(data / "damaged")
    refused = call(data, "restore", str(backup))
    assert refused.returncode == 1
    assert b"relay.sqlite3-wal belongs to a store" in refused.stderr
    (data / "relay.sqlite3-wal").rename(data / "damaged-wal")
    assert tell(data, "restore", str(backup))["rooms"] == 1
    assert [each["name"] for each in tell(data, "rooms", "list")] == ["ada"]
