"""A Kobo's database: what is read of it, and that it is left as it lies."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crdt_sync.document.anchors import Quote
from crdt_sync.errors import UnreadableFile
from crdt_sync.interchange.bounds import read_head
from crdt_sync.interchange.kobo import READER
from tests.interchange.devices import VOLUME, kobo, read


def test_highlights_notes_and_dog_ears(tmp_path: Path) -> None:
    path = kobo(tmp_path / "KoboReader.sqlite")
    assert READER.recognises(path, read_head(path))
    assert READER.recognises(Path("copy.db"), read_head(path))
    (note, hidden, dog_ear), skipped = read(READER, path)
    assert note.anchor is not None
    assert note.anchor.work == {
        "title": "Harbour Lights", "author": "Ida Quill", "isbn": "9781402894626", "volume": VOLUME,
    }  # fmt: skip
    assert (note.anchor.source, note.anchor.heading) == ("OEBPS/ch05.xhtml", "Five: The Pier")
    assert note.anchor.quote == Quote("A passage.")
    assert note.anchor.opaque[0]["EndContainerPath"] == "OEBPS/ch05.xhtml#point(/1/4/2/1:10)"
    assert note.anchor.opaque[0]["ChapterProgress"] == 0.5
    assert (note.kind, note.color, note.comment, note.trashed) == ("highlight", "blue", "A thought.", False)
    assert (note.created_at_ms, note.updated_at_ms) == (1_786_370_587_000, 1_786_406_400_000)
    assert (note.foreign_id, note.original["BookmarkID"], note.where) == ("b1", "b1", "Bookmark b1")
    assert hidden.trashed
    assert dog_ear.anchor is not None
    assert (dog_ear.kind, dog_ear.anchor.quote) == ("bookmark", None)
    assert [(each.where, each.reason) for each in skipped] == [("Bookmark b4", "it is drawn by hand, as a picture")]


def test_older_firmware_lacks_columns(tmp_path: Path) -> None:
    (record,), skipped = read(READER, kobo(tmp_path / "KoboReader.sqlite", old=True))
    assert (record.kind, record.color, record.comment) == ("highlight", "yellow", "A thought.")
    assert not skipped


def test_without_the_table_of_contents_the_volume_names_the_work(tmp_path: Path) -> None:
    path = kobo(tmp_path / "KoboReader.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE content")
        connection.commit()
    records, _ = read(READER, path)
    assert {record.anchor.work_id for record in records if record.anchor is not None} == {VOLUME}


def test_the_file_is_left_as_it_lies(tmp_path: Path) -> None:
    path = kobo(tmp_path / "KoboReader.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")  # what would otherwise make a -wal at the first read
    before, names = path.read_bytes(), sorted(os.listdir(tmp_path))
    tmp_path.chmod(0o555)
    try:
        assert len(read(READER, path)[0]) == 3
    finally:
        tmp_path.chmod(0o755)
    assert (path.read_bytes(), sorted(os.listdir(tmp_path))) == (before, names)


def test_a_log_beside_it_is_reported(tmp_path: Path) -> None:
    path = kobo(tmp_path / "KoboReader.sqlite")
    (tmp_path / "KoboReader.sqlite-wal").write_bytes(b"something")
    records, skipped = read(READER, path)
    assert len(records) == 3
    assert skipped[0].where == "KoboReader.sqlite-wal"


def test_damage_is_told(tmp_path: Path) -> None:
    path = kobo(tmp_path / "KoboReader.sqlite", count=2000)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 3 * 4096] = os.urandom(3 * 4096)
    path.write_bytes(data)
    with pytest.raises(UnreadableFile, match=r"is damaged.*[Cc]opy it from the device again"):
        read(READER, path)
    path.write_bytes(data[: len(data) // 3])
    with pytest.raises(UnreadableFile, match="is damaged"):
        read(READER, path)


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE VIEW Bookmark AS WITH RECURSIVE n(BookmarkID) AS (SELECT 1 UNION ALL SELECT BookmarkID + 1 FROM n) "
        "SELECT BookmarkID, 'v' AS VolumeID FROM n",
        "CREATE VIRTUAL TABLE Bookmark USING fts5(BookmarkID, VolumeID, Text)",
        "CREATE TABLE Other (a)",
    ],
)
def test_only_a_real_table_is_read(tmp_path: Path, schema: str) -> None:
    path = tmp_path / "KoboReader.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(schema)
        connection.commit()
    with pytest.raises(UnreadableFile, match="no table Bookmark"):
        read(READER, path)


def test_no_code_of_the_file_runs(tmp_path: Path) -> None:
    """Columns that are computed are not asked for, and no index, trigger or view is."""
    path = tmp_path / "KoboReader.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TABLE Bookmark (BookmarkID TEXT, VolumeID TEXT, ContentID TEXT, Type TEXT, Annotation TEXT)"
        )
        connection.execute("INSERT INTO Bookmark VALUES ('b', 'v', 'v!c.xhtml', 'highlight', 'a comment')")
        overflows = "abs(-9223372036854775807 - 1)"
        connection.execute(f"ALTER TABLE Bookmark ADD COLUMN Text TEXT GENERATED ALWAYS AS ({overflows}) VIRTUAL")
        connection.execute(f"CREATE VIEW content AS SELECT {overflows} AS ContentID")
        connection.execute(f"CREATE TRIGGER t AFTER INSERT ON Bookmark BEGIN SELECT {overflows}; END")
        connection.commit()
        with pytest.raises(sqlite3.OperationalError, match="overflow"):
            connection.execute("SELECT Text FROM Bookmark").fetchone()
    (record,), _ = read(READER, path)
    assert record.anchor is not None
    assert (record.anchor.quote, record.comment, record.anchor.source) == (None, "a comment", "c.xhtml")


def test_values_of_any_type(tmp_path: Path) -> None:
    path = tmp_path / "KoboReader.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TABLE Bookmark "
            "(BookmarkID, VolumeID, ContentID, Type, Text, Annotation, Color, DateCreated, Hidden)"
        )
        connection.execute(
            "INSERT INTO Bookmark VALUES (x'ff', 7, 1.5, 'highlight', 12, x'c3a9', 'teal', 99, 'TRUE'), "
            "('b', NULL, NULL, 'highlight', NULL, NULL, NULL, NULL, NULL), ('c', 'v', 'v', 'stamp', '', '', 0, '', 0)"
        )
        connection.commit()
    records, skipped = read(READER, path)
    assert [(each.comment, each.color, each.trashed, each.created_at_ms) for each in records] == [
        ("é", "teal", True, None)
    ]
    assert [each.where for each in skipped] == ["Bookmark b", "Bookmark c"]
