from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc, Map

from crdt_sync.document import (
    AddHighlight,
    EditHighlight,
    Trash,
)
from crdt_sync.errors import (
    DiskFull,
    LibraryBusy,
    LibraryTooNew,
    NotALibrary,
    ReadOnlyLibrary,
)
from crdt_sync.storage.store import LibraryStore
from tests.storage.opened import GENESIS, MINE, opened


def test_a_library_of_a_newer_schema_is_read_and_synced_but_not_edited(store: LibraryStore) -> None:
    doc: Doc[Any] = Doc()
    doc.get("meta", type=Map)["minWriter"] = 2
    doc.get("highlights", type=Map)["h"] = {"anchor": {"source": "Gen.1.1"}, "unknown": 1}
    store.apply_updates([doc.get_update()], "c")
    with pytest.raises(ReadOnlyLibrary, match="install"):
        store.edit(Trash("h"))
    assert store.read.highlight("h") is not None


def test_files_that_are_not_ours_are_left_as_they_are(tmp_path: Path) -> None:
    other, text, newer = tmp_path / "other", tmp_path / "text", tmp_path / "newer"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    text.write_text("hello, this is no database at all" * 100)
    with opened(newer):
        pass
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("PRAGMA user_version = 99")
    for path, error in ((other, NotALibrary), (text, NotALibrary), (newer, LibraryTooNew)):
        before = path.read_bytes()
        with pytest.raises(error):
            LibraryStore(path)
        assert path.read_bytes() == before


def test_a_held_file_says_so_and_changes_nothing(
    path: Path, store: LibraryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.edit(MINE)
    store._connection.execute("PRAGMA busy_timeout = 1")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LibraryBusy):
            store.edit(EditHighlight("mine", color="red"))
        other.execute("ROLLBACK")
    store.edit(EditHighlight("mine", color="blue"))
    store.verify()


def test_a_full_disk_keeps_the_old_state_and_editing_works_again_with_room(store: LibraryStore) -> None:
    store.edit(MINE)
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFull, match="Make room"):
        store.edit(EditHighlight("mine", comment="x" * 100_000))
    assert store.read.highlight("mine").comment == ""  # type: ignore[union-attr]
    assert store.pending == 1
    store._connection.execute("PRAGMA max_page_count = 100000")
    store.edit(EditHighlight("mine", comment="y" * 100_000))
    assert len(store.read.highlight("mine").comment) == 100_000  # type: ignore[union-attr]
    store.verify()


def test_a_disk_that_is_really_full_loses_nothing(tmp_path: Path) -> None:
    """On a file system of 4 MB, mounted where nobody else sees it; the relay's store is tried on it too."""
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    script = str(Path(__file__).with_name("small_disk.py"))
    done = subprocess.run([*namespace, sys.executable, script, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["library", "library", "relay", "relay"]


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug"), KeyboardInterrupt(), sqlite3.OperationalError("disk I/O error")]
)
def test_whatever_fails_after_the_document_changed_drops_it(
    store: LibraryStore, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    store.edit(MINE)
    client_id, before = store._document().client_id, store.state_vector()

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(store.read, "project", fail)
        with pytest.raises(BaseException):  # noqa: B017, PT011
            store.edit(EditHighlight("mine", color="red"))
    assert store.state_vector() == before
    assert store.read.highlight("mine").color == "yellow"  # type: ignore[union-attr]
    assert store._document().client_id != client_id
    store.edit(EditHighlight("mine", color="green"))
    store.verify()


@pytest.mark.parametrize("compacts", [False, True])
def test_what_others_did_around_a_failure_that_drops_the_document_is_told(
    path: Path, store: LibraryStore, compacts: bool
) -> None:
    store.edit(MINE)
    store.follow()
    with opened(path) as other:
        (theirs,) = other.edit(AddHighlight(GENESIS)).ids
        with pytest.raises(ZeroDivisionError), store._writing():
            raise ZeroDivisionError
        assert store._loaded is None
        (later,) = other.edit(AddHighlight(GENESIS)).ids
        if compacts:
            other.compact()
        told = {change.item_id for change in store.follow().changes}
        assert told == (set() if compacts else {theirs, later})  # what was put together cannot be told apart
        (latest,) = other.edit(AddHighlight(GENESIS)).ids
        assert [change.item_id for change in store.edit(EditHighlight(theirs, color="red")).changes] == [latest, theirs]
    assert {each.id for each in store.read.highlights()} == {MINE.id, theirs, later, latest}
