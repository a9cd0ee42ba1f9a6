"""The table of `docs/files.md`, case by case, each with a real file that is really so."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc, Map
from sqlite_utils import Database

from crdt_sync.document import AddHighlight, AddNote, AppendToNote, EditHighlight, Purge, Trash
from crdt_sync.errors import LibraryBusy, LibraryDamaged, LibraryTooNew, NotALibrary, ReadOnlyFile, StorageError
from crdt_sync.protocol.exchange import Export
from crdt_sync.storage import database, migrations, transactions
from crdt_sync.storage.binding import Binding
from crdt_sync.storage.database import wal_of
from crdt_sync.storage.salvage import repair
from crdt_sync.storage.store import LibraryStore
from tests.storage.opened import GENESIS, MINE, opened, whole

BINDING = Binding("wss://relay.example", "ada", "Ada")


def filled(path: Path, count: int = 10) -> None:
    with opened(path) as store:
        for number in range(count):
            store.edit(AddHighlight(GENESIS, id=f"h{number}", comment=f"comment {number}", tags=("t",)))
            store.edit(AddNote(f"text {number}", id=f"n{number}"))


def meddled(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def findings(path: Path) -> str:
    with opened(path) as store, pytest.raises(LibraryDamaged, match="repair") as caught:
        store.verify()
    return "; ".join(caught.value.findings)


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_write_ahead_log_whose_file_is_gone_or_empty_is_kept_and_repaired(path: Path, is_gone: bool) -> None:
    copy = path.with_name("copy")
    with opened(path) as store:
        store.edit(AddHighlight(GENESIS, id="h1", comment="kept", tags=("t",)))
        wanted = store.read.content()
        shutil.copyfile(wal_of(path), wal_of(copy))  # as a kill leaves it
    log = wal_of(copy).read_bytes()
    if not is_gone:
        copy.touch()
    with pytest.raises(LibraryDamaged, match="repair"):
        LibraryStore(copy)
    into = path.with_name("new")
    done = repair(copy, into)
    assert (done.updates, done.findings) == (1, ("only its write-ahead log is there",))
    assert wal_of(copy).read_bytes() == log
    with opened(into) as store:
        assert store.read.content() == wanted


def test_an_empty_file_is_no_library_to_repair(path: Path) -> None:
    path.touch()
    into = path.with_name("new")
    with pytest.raises(NotALibrary, match="nothing of a library"):
        repair(path, into)
    assert not into.exists()


def test_a_repair_is_not_put_beside_a_log_that_sqlite_would_take_for_its_own(path: Path) -> None:
    filled(path, count=1)
    into = path.with_name("new")
    with opened(into) as store:
        store.edit(AddNote("of another library"))
        log = wal_of(into).read_bytes()
    into.unlink()
    wal_of(into).write_bytes(log)
    with pytest.raises(StorageError, match="new-wal is there already"):
        repair(path, into)
    assert wal_of(into).read_bytes() == log


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE highlights SET color = 'red' WHERE id = 'h3'", "table of highlights"),
        ("DELETE FROM notes", "table of notes"),
        ("DELETE FROM tags WHERE item_id = 'h3'", "table of tags"),
        ("UPDATE searched SET text = 'other' WHERE item_id = 'h3'", "full text"),
        ("INSERT INTO search (search) VALUES ('delete-all')", "full-text index"),
        ("DROP TABLE highlights", "highlights"),
    ],
)
def test_a_lost_or_wrong_table_is_found_and_a_repair_makes_it_anew(path: Path, statement: str, finding: str) -> None:
    filled(path)
    with opened(path) as store:
        content = store.read.content()
    meddled(path, statement)
    assert finding in findings(path) or statement.startswith("DROP")
    into = path.with_name("new")
    done = repair(path, into)
    assert (done.updates, done.rescued, len(done.findings)) == (20, 0, 1)
    with opened(into) as store:
        assert store.read.content() == content
        store.verify()


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("DELETE FROM updates WHERE seq = 25", "missing between"),
        ("DELETE FROM updates WHERE seq = 21", "updates 21 to 21 are missing"),
        ("DELETE FROM updates WHERE seq = (SELECT max(seq) FROM updates)", "long once"),
        ("DELETE FROM snapshots WHERE part = 1", "part of the snapshot is missing"),
        ("DELETE FROM snapshots", "updates 1 to 20 are missing"),
        ("UPDATE snapshots SET data = substr(data, 1, 50) WHERE part = 1", "not what was written"),
        ("UPDATE updates SET data = x'0000' WHERE seq = 25", "not what was written"),
    ],
)
def test_what_is_missing_from_the_log_or_changed_in_it_is_found(
    path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, finding: str
) -> None:
    monkeypatch.setattr(transactions, "SNAPSHOT_PART_BYTES", 500)
    filled(path)
    with opened(path) as store:
        store.compact()
        assert store._connection.execute("SELECT count(*) FROM snapshots").fetchone()[0] > 3
        for number in range(10):
            store.edit(EditHighlight(f"h{number}", color="red"))
        store.verify()
    meddled(path, statement)
    assert finding in findings(path)
    with opened(path) as store:
        for use in (store.load, lambda: store.edit(EditHighlight("h2", color="blue")), store.compact):
            with pytest.raises(LibraryDamaged, match="crdt-sync repair"):
                use()


def test_a_torn_page_is_found_or_of_no_matter_and_takes_no_item_with_it(tmp_path: Path) -> None:
    path = tmp_path / "library"
    filled(path)
    old = path.read_bytes()
    with opened(path) as store:
        for number in range(10):
            store.edit(
                EditHighlight(f"h{number}", comment=f"another comment {number}"), AppendToNote(f"n{number}", "more")
            )
        content = store.read.content()
    new = path.read_bytes()
    pages = [start for start in range(0, len(old), 4096) if old[start : start + 4096] != new[start : start + 4096]]
    assert len(pages) > 3
    found = 0
    for page in pages:
        torn = bytearray(new)
        torn[page + 2048 : page + 4096] = old[page + 2048 : page + 4096]
        path.write_bytes(torn)
        try:
            with opened(path) as store:
                store.verify()
                assert store.read.content() == content  # the halves were alike, or what differed is no longer used
        except LibraryDamaged:
            found += 1
            into = tmp_path / f"repaired{page}"
            repair(path, into)
            with opened(into) as store:
                kept = {row[0] for table in [*store.read.content().values()][:2] for row in table}
                kept |= {each.item.id for each in store.rescued()}
                assert kept == {f"{kind}{number}" for kind in "hn" for number in range(10)}
    assert found


def test_a_file_of_the_first_version_is_taken_over(path: Path) -> None:
    doc: Doc[Any] = Doc()
    doc.get("highlights", type=Map)["old"] = {"anchor": GENESIS.to_json(), "createdAt": 1, "createdBy": "Ada"}
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrations._migrations.apply(Database(connection), stop_before="m002_checks_and_what_waits")
        connection.execute("INSERT INTO updates (data) VALUES (?)", (doc.get_update(),))
        connection.execute("INSERT INTO snapshots VALUES (0, 0, x'0000')")
        connection.execute(f"PRAGMA application_id = {database.APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
    before = path.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.access", lambda *_: False)  # root may write everything
        with pytest.raises(ReadOnlyFile, match="older version"):
            LibraryStore(path)
    assert path.read_bytes() == before
    with opened(path) as store:
        store.rebuild_read_model()
        assert store.read.highlight("old") is not None
        store.edit(EditHighlight("old", color="red"))
        store.compact()
        store.verify()
    assert repair(path, path.with_name("new")).highlights == 1


def test_a_flipped_bit_in_a_word_is_never_shown_as_another_word(path: Path) -> None:
    filled(path)
    meddled(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    data = path.read_bytes()
    assert data.count(b"comment 7") > 1
    path.write_bytes(data.replace(b"comment 7", b"comment 6"))  # in the log and in the table: they agree
    with opened(path) as store, pytest.raises(LibraryDamaged, match="not what was written"):
        store.load()
    assert "not what was written" in findings(path)


def without_snapshot(path: Path) -> LibraryStore:
    """Make a library, keep a whole copy of it in a store that is returned, and destroy the file's snapshot."""
    filled(path)
    with opened(path) as store:
        store.compact()
        store.bind(BINDING)
        store.edit(EditHighlight("h1", color="red"), AppendToNote("n1", "more"))
        good = LibraryStore(path.with_name("good"), durability="normal")
        good.apply_updates(whole(store), "copy")
    meddled(path, "DELETE FROM snapshots")
    return good


def test_what_lacks_a_predecessor_waits_and_comes_in_when_that_arrives(path: Path) -> None:
    with closing(without_snapshot(path)) as good:
        content = good.read.content()
        into, again = path.with_name("new"), path.with_name("again")
        done = repair(path, into)
        assert (done.updates, done.waiting, done.rescued, done.binding) == (0, 1, 20, BINDING)
        assert done.findings
        assert repair(into, again).waiting == 1  # a repair of the repair keeps it
        with opened(again) as store:
            good.edit(Purge("h9"))
            older = good.diff(b"\x00")
            assert store.apply_updates(older.updates, "relay").failure is None
            assert store.take_waiting().appended is False  # the copy had it: nothing new, and it waits no longer
            assert not store._aside.waits()
            assert [each.item.id for each in store.rescued()] == ["h9"]  # purged meanwhile: it does not come back
        with opened(into) as store:
            store.apply_updates(good.diff(b"\x00").updates, "relay")
            store.take_waiting()
            assert store.read.content()["notes"] == content["notes"]
            store.verify()


def test_a_waiting_update_that_the_relay_never_had_is_sent_on_once_it_fits(tmp_path: Path) -> None:
    path = tmp_path / "library"
    filled(path, 3)
    with opened(path) as store:
        relay = whole(store)
        store.compact()
        store.edit(EditHighlight("h1", comment="never synced"))
    meddled(path, "DELETE FROM snapshots")
    into = tmp_path / "new"
    assert repair(path, into).waiting == 1
    with opened(into) as store:
        store.acknowledge(10**6)
        assert store.pending == 0
        store.apply_updates(relay, "connection")
        applied = store.take_waiting()
        assert [change.item_id for change in applied.changes] == ["h1"]
        assert store.read.highlight("h1").comment == "never synced"  # type: ignore[union-attr]
        assert store.pending == 1
        assert store.unsaved() == ["h1"]
        outgoing = store.outgoing(0, "connection")
        assert outgoing is not None
        assert len(outgoing.updates) == 1
        store.verify()


def test_an_export_that_was_taken_is_told_also_if_what_waits_cannot_be_taken(tmp_path: Path) -> None:
    path, into = tmp_path / "library", tmp_path / "new"
    filled(path, 3)
    with opened(path) as store:
        export = Export(None, b"\x00", store.state_vector(), whole(store))
        store.compact()
        store.edit(EditHighlight("h1", comment="waits"))
    meddled(path, "DELETE FROM snapshots")
    assert repair(path, into).waiting == 1
    with opened(into) as store:
        store._connection.execute(
            "CREATE TEMP TRIGGER stuck BEFORE DELETE ON waiting BEGIN SELECT RAISE(ABORT, 'the disk fails'); END"
        )
        applied = store.apply_export(export)
        assert applied.appended
        assert {change.item_id for change in applied.changes} >= {"h0", "h1", "h2"}
        store._connection.execute("DROP TRIGGER stuck")
        assert [change.item_id for change in store.take_waiting().changes] == ["h1"]


def test_without_any_other_copy_the_tables_give_the_items_back_on_the_users_word(path: Path) -> None:
    with closing(without_snapshot(path)) as good:
        with opened(path) as store:
            before = {item.id: item for item in (*store.read.highlights(), *store.read.notes())}
        into = path.with_name("new")
        repair(path, into)
        with opened(into) as store:
            assert store.read.counts().highlights == 0  # nothing is written into a library that others may share
            taken = store.take_rescued()
            assert set(taken.ids) == set(before)
            now = {item.id: item for item in (*store.read.highlights(), *store.read.notes())}
            assert {key: (item.created_at_ms, item.tags) for key, item in now.items()} == {
                key: (item.created_at_ms, item.tags) for key, item in before.items()
            }
            assert now["h1"].color == "red"  # type: ignore[union-attr]
            assert now["n1"].text == "text 1\nmore"  # type: ignore[union-attr]
            assert store.rescued() == []
            store.apply_updates(whole(good), "relay")  # the copy turns up after all
            assert store.read.note("n1").text == "text 1\nmore"  # type: ignore[union-attr]  # and nothing is doubled
            store.verify()


def test_a_repair_never_writes_over_a_file_and_says_what_it_cannot_do(path: Path) -> None:
    filled(path, 1)
    with pytest.raises(StorageError, match="there already"):
        repair(path, path)
    with pytest.raises(StorageError, match="no file"):
        repair(path.with_name("nothing"), path.with_name("new"))
    text = path.with_name("text")
    text.write_bytes(b"no library at all " * 1000)
    with pytest.raises(NotALibrary, match="nothing was made"):
        repair(text, path.with_name("new"))
    meddled(path, "PRAGMA user_version = 99")
    with pytest.raises(LibraryTooNew):
        repair(path, path.with_name("new"))
    assert repair(path, path.with_name("new"), any_version=True).highlights == 1


def test_a_write_ahead_log_that_is_cut_off_gives_what_was_committed_before_the_cut(path: Path) -> None:
    with opened(path) as store:
        for number in range(20):
            store.edit(AddHighlight(GENESIS, id=f"h{number:02}"))
        wal = Path(f"{path}-wal").read_bytes()
        file = path.read_bytes()
    counts = []
    for kept in range(0, len(wal) + 1, len(wal) // 7):
        copy = path.with_name(f"copy{kept}")
        copy.write_bytes(file)
        Path(f"{copy}-wal").write_bytes(wal[:kept])
        with opened(copy) as store:
            if not store._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                continue
            store.verify()
            ids = sorted(highlight.id for highlight in store.read.highlights())
            assert ids == [f"h{number:02}" for number in range(len(ids))]
            assert store.pending == len(ids)
            counts.append(len(ids))
    assert counts == sorted(counts)
    assert len(set(counts)) > 3


@pytest.mark.parametrize("with_wal", [True, False])
def test_a_file_copied_while_it_is_open_is_an_older_backup_that_syncs(path: Path, with_wal: bool) -> None:
    filled(path)
    with opened(path) as store:
        store.edit(MINE)
        copy = path.with_name("copy")
        shutil.copyfile(path, copy)
        if with_wal:
            shutil.copyfile(f"{path}-wal", f"{copy}-wal")
        store.edit(Trash("h3"))
        with opened(copy) as restored:
            restored.verify()
            assert (restored.read.highlight("mine") is not None) == with_wal
            restored.edit(EditHighlight("h2", color="blue"))
            assert restored.apply_updates(store.diff(restored.state_vector()).updates, "c").failure is None
            assert store.apply_updates(restored.diff(store.state_vector()).updates, "c").failure is None
            assert restored.read.content() == store.read.content()
            assert restored.read.highlight("h3").is_deleted  # type: ignore[union-attr]
            assert restored.read.highlight("h2").color == "blue"  # type: ignore[union-attr]
            restored.verify()


def test_a_held_file_is_said_to_be_held_and_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    filled(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LibraryBusy, match="held by another"):
            LibraryStore(path)
        other.execute("ROLLBACK")
    with opened(path) as store:
        store.verify()


GUEST = """
import os, sys
from pathlib import Path
from crdt_sync.document import Trash
from crdt_sync.errors import CrdtSyncError
from crdt_sync.storage import migrations
from crdt_sync.storage.store import LibraryStore
if os.geteuid() == 0:  # whom no permission binds
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    store = LibraryStore(Path(sys.argv[1]))
    print(len(store.query(lambda read: read.highlights())), flush=True)
    store.verify()
    try:
        store.edit(Trash("h1"))
    except CrdtSyncError as error:
        print(type(error).__name__, flush=True)
    sys.stdin.readline()
    print(len(store.query(lambda read: read.highlights())), flush=True)
    store.close()
except CrdtSyncError as error:
    print(type(error).__name__, flush=True)
"""


class Guest:
    """A process that may not write: it becomes another user, if this one is root."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", GUEST, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def says(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def goes_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def ends(self) -> None:
        self._process.communicate(timeout=30)


@pytest.fixture
def readable() -> Iterator[Path]:
    """A library that everybody may read and nobody but its owner may write, in a folder that is so too.

    It is not in pytest's folder: each pytest that starts, while this one runs too, shuts that to other users.
    """
    with tempfile.TemporaryDirectory(prefix="crdt-sync-") as folder:
        os.chmod(folder, 0o755)
        path = Path(folder) / "library.sqlite3"
        filled(path)
        os.chmod(path, 0o444)
        yield path


@pytest.mark.parametrize("mode", [0o444, 0o666])
def test_a_file_or_folder_that_may_not_be_written_answers_queries_and_refuses_edits(readable: Path, mode: int) -> None:
    os.chmod(readable, mode)
    before = readable.read_bytes()
    folder = set(readable.parent.iterdir())
    if os.geteuid() != 0:
        os.chmod(readable.parent, 0o555)
    guest = Guest(readable)
    assert [guest.says(), guest.says()] == ["10", "ReadOnlyFile"]
    guest.goes_on()
    assert guest.says() == "10"
    guest.ends()
    os.chmod(readable.parent, 0o755)
    assert readable.read_bytes() == before
    assert set(readable.parent.iterdir()) == folder  # a guest leaves nothing that would shut the owner out


def test_a_guest_is_told_when_the_owner_writes_what_it_reads_without_locks(readable: Path) -> None:
    guest = Guest(readable)
    assert [guest.says(), guest.says()] == ["10", "ReadOnlyFile"]
    os.chmod(readable, 0o644)
    with opened(readable) as owner:
        owner.edit(AddHighlight(GENESIS))
        os.chmod(readable, 0o444)
        guest.goes_on()
        assert guest.says() == "LibraryBusy"
        guest.ends()


def test_a_guest_of_an_open_library_sees_what_its_owner_writes(readable: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs a second user")
    os.chmod(readable, 0o644)
    with opened(readable) as owner:
        owner.edit(AddHighlight(GENESIS))
        guest = Guest(readable)
        assert [guest.says(), guest.says()] == ["11", "ReadOnlyFile"]
        owner.edit(AddHighlight(GENESIS))
        guest.goes_on()
        assert guest.says() == "12"
        guest.ends()


def test_an_export_counts_as_an_edit_and_is_named_until_the_relay_has_it(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as a, opened(tmp_path / "b") as b:
        a.edit(MINE)
        export = Export(None, b"\x00", a.state_vector(), whole(a))
        assert b.apply_export(export).appended
        assert (b.pending, b.unsaved()) == (1, ["mine"])
        assert not b.apply_export(export).appended
        assert b.pending == 1
        b.acknowledge(1)
        assert (b.pending, b.unsaved()) == (0, [])
