from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Map

from crdt_sync.document import (
    AddHighlight,
    AddNote,
    Anchor,
    AppendToNote,
    ChangeKind,
    Edit,
    EditHighlight,
    Purge,
    Restore,
    Trash,
)
from crdt_sync.errors import (
    BoundElsewhere,
    DiskFull,
    GapError,
    InvalidEdit,
    LibraryBusy,
    LibraryTooNew,
    NotALibrary,
    NotFound,
    ReadOnlyLibrary,
    RemoteProtocolError,
)
from crdt_sync.storage import store as store_module
from crdt_sync.storage.store import Binding, LibraryStore
from tests.conftest import Yjs

GENESIS = Anchor.verse("Gen.1.1", work="KJV", quote="In the beginning")
MINE = AddHighlight(GENESIS, id="mine")


@contextmanager
def opened(path: Path, **options: Any) -> Iterator[LibraryStore]:
    options.setdefault("durability", "normal")
    with closing(LibraryStore(path, **options)) as store:
        yield store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "library.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[LibraryStore]:
    with opened(path) as store:
        yield store


def whole(store: LibraryStore) -> tuple[bytes, ...]:
    return store.diff(b"\x00").updates


def test_a_highlight_is_there_after_the_call_and_after_a_restart(path: Path) -> None:
    with opened(path, now_ms=lambda: 5, author="me") as store:
        edit = AddHighlight(GENESIS, color="green", tags=("creation", "a/b 🙂"), comment="Grüße 𝔘")
        (item_id,) = store.edit(edit).ids
        made = store.read.highlight(item_id)
    with opened(path) as store:
        assert store.read.highlight(item_id) == made
        assert store._loaded is None  # a query loads no document
    assert made is not None
    assert (made.anchor, made.color, made.tags, made.comment) == (GENESIS, "green", ("a/b 🙂", "creation"), "Grüße 𝔘")
    assert (made.created_at_ms, made.created_by) == (5, "me")


def test_an_edit_writes_what_changes_and_nothing_else(store: LibraryStore) -> None:
    store.edit(MINE)
    assert not store.edit(EditHighlight("mine", color="yellow", add_tags=(), comment="")).appended
    assert store.pending == 1
    applied = store.edit(EditHighlight("mine", color="red", add_tags=("t",)))
    assert [(change.kind, change.here) for change in applied.changes] == [(ChangeKind.EDITED, True)]
    assert store.pending == 2


def test_trash_restore_and_purge(store: LibraryStore) -> None:
    store.edit(MINE, AddNote("one\n\nthree", title="T", highlight_id="mine", id="note"))
    kinds = [store.edit(edit).changes[0].kind for edit in (Trash("mine"), Restore("mine"), Trash("note"))]
    assert kinds == [ChangeKind.TRASHED, ChangeKind.RESTORED, ChangeKind.TRASHED]
    assert [note.id for note in store.read.notes(trashed=True)] == ["note"]
    assert store.edit(Purge("note")).changes[0].kind is ChangeKind.PURGED
    assert store.read.note("note") is None
    with pytest.raises(NotFound):
        store.edit(Restore("note"))
    store.verify()


def test_notes_grow_by_paragraphs(store: LibraryStore) -> None:
    store.edit(AddNote("one\n\nthree", title="T", id="note"), AppendToNote("note", "four 𝔘"))
    note = store.read.note("note")
    assert note is not None
    assert (note.title, note.text) == ("T", "one\n\nthree\nfour 𝔘")


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (EditHighlight("nobody", color="red"), NotFound),
        (AppendToNote("mine", "text"), NotFound),
        (AddHighlight(GENESIS, id="a/b"), InvalidEdit),
        (AddHighlight(GENESIS, comment="\ud800"), InvalidEdit),
        (AddHighlight(Anchor(source="x", extra={"k": float("nan")})), InvalidEdit),
        (EditHighlight("mine", add_tags=("",)), InvalidEdit),
    ],
)
def test_a_bad_edit_changes_nothing_and_the_library_goes_on(store: LibraryStore, edit: Edit, error: type) -> None:
    store.edit(MINE)
    before = store.state_vector()
    with pytest.raises(error):
        store.edit(EditHighlight("mine", color="blue"), edit)
    assert store.state_vector() == before
    store.edit(EditHighlight("mine", color="green"))
    assert store.read.highlight("mine").color == "green"  # type: ignore[union-attr]


def test_queries(store: LibraryStore) -> None:
    for source, color in (("Gen.1.1-Gen.1.3", "red"), ("Gen.1", "red"), ("Gen.10.1", "red"), ("Exod.1.1", "blue")):
        store.edit(AddHighlight(Anchor.verse(source, work="KJV"), color=color, tags=(source[0],)))
    assert [h.anchor.source for h in store.read.highlights(within="Gen.1")] == ["Gen.1", "Gen.1.1-Gen.1.3"]
    assert [h.anchor.source for h in store.read.highlights(color="blue", work="KJV")] == ["Exod.1.1"]
    assert len(store.read.highlights(tag="G")) == 3
    assert len(store.read.highlights(limit=2, offset=3)) == 1


def test_search_finds_words_without_their_accents_and_takes_no_query_language(store: LibraryStore) -> None:
    store.edit(AddHighlight(GENESIS, comment="Größe und Café", id="a"), AddNote('a "quoted" NEAR text', id="b"))
    for text, found in (("grosse", []), ("größe", ["a"]), ("cafe begin", ["a"]), ('"quoted', ["b"])):
        assert [hit.item_id for hit in store.read.search(text)] == found, text
    assert store.read.search('NEAR( * OR "') == []
    assert "[Café]" in store.read.search("cafe")[0].snippet
    store.edit(Trash("a"))
    assert store.read.search("cafe") == []


def test_what_another_device_trashes_while_this_one_edits_is_said(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as a, opened(tmp_path / "b") as b:
        a.edit(MINE)
        a.acknowledge(1)
        b.apply_updates(whole(a), "c")
        a.edit(EditHighlight("mine", comment="important"))
        b.edit(Trash("mine"))
        (change,) = a.apply_updates(whole(b), "c").changes
        assert (change.kind, change.here, change.unsaved_edit) == (ChangeKind.TRASHED, False, True)
        b.apply_updates(whole(a), "c")
        for each in (a, b):
            (trashed,) = each.read.highlights(trashed=True)
            assert trashed.comment == "important"  # the edit is in the trash, and restore brings it back


def test_a_gap_and_garbage_are_refused_and_what_came_before_is_kept(tmp_path: Path) -> None:
    doc: Doc[Any] = Doc()
    updates: list[bytes] = []
    subscription = doc.observe(lambda event: updates.append(event.update))
    for color in ("red", "green", "blue"):
        doc.get("fields", type=Map)["h/color"] = color
    doc.unobserve(subscription)
    with opened(tmp_path / "a") as store:
        assert store.apply_updates(updates[:1], "c").failure is None
        failure = store.apply_updates([updates[2]], "c").failure
        assert isinstance(failure, GapError)
        assert isinstance(store.apply_updates([updates[1], b"\x01\x02"], "c").failure, RemoteProtocolError)
        assert store.apply_updates([updates[2]], "c").failure is None
        assert not store.apply_updates(updates, "c").appended  # nothing new: no row
        assert store.state_vector() == doc.get_state()


def test_rows_are_sent_to_everybody_but_the_connection_that_brought_them(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as a, opened(tmp_path / "b") as b:
        a.edit(MINE)
        b.apply_updates(whole(a), "connection 1")
        b.edit(AddNote("x"))
        first, second = b.outgoing(0, "connection 1"), b.outgoing(0, "connection 2")
        assert first is not None
        assert second is not None
        assert (len(first.updates), len(second.updates), first.edits_made) == (1, 2, 1)
        b.compact()
        assert b.outgoing(0, "connection 1") is None
        assert b.outgoing(first.seq, "connection 1") == store_module.Outgoing((), first.seq, 1)


def test_pending_counts_what_no_barrier_has_covered(store: LibraryStore) -> None:
    for n in range(5):
        store.edit(AddHighlight(GENESIS, id=f"h{n}"))
    store.acknowledge(3)
    store.acknowledge(2)  # a late echo
    assert store.pending == 2
    store.acknowledge(99)
    assert store.pending == 0
    store.compact()
    store.edit(AddHighlight(GENESIS))
    assert store.pending == 1


def test_a_file_belongs_to_one_relay_room_and_account(store: LibraryStore) -> None:
    ada = Binding("wss://relay", "room", "ada")
    store.check_binding(ada)
    store.bind(ada)
    store.bind(ada)
    for other in (Binding("wss://relay", "room", "bob"), Binding("wss://relay", "other", "ada")):
        with pytest.raises(BoundElsewhere, match="cannot be parted"):
            store.check_binding(other)


def test_a_client_id_is_new_at_each_open(path: Path) -> None:
    ids = set()
    for _ in range(3):
        with opened(path) as store:
            store.edit(AddHighlight(GENESIS))
            ids.add(store._document().client_id)
    assert len(ids) == 3
    with opened(path, random=_Drawn([*ids, 77])) as store:  # drawn ids that the document knows are passed over
        store.load()
        assert store._document().client_id == 77


class _Drawn(Random):
    def __init__(self, numbers: list[int]) -> None:
        super().__init__()
        self._numbers = numbers

    def getrandbits(self, k: int) -> int:
        return self._numbers.pop(0)


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


edits = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.one_of(
            st.builds(lambda i: AddHighlight(GENESIS, id=i), st.sampled_from("ab")),
            st.builds(lambda i, c: EditHighlight(i, color=c), st.sampled_from("ab"), st.sampled_from(["red", "blue"])),
            st.builds(
                lambda i, t: EditHighlight(i, add_tags=(t,)), st.sampled_from("ab"), st.sampled_from(["x", "y/z"])
            ),
            st.builds(lambda i, t: EditHighlight(i, remove_tags=(t,)), st.sampled_from("ab"), st.sampled_from(["x"])),
            st.builds(lambda t: AddNote(t, id="n"), st.sampled_from(["one", "two\nlines"])),
            st.builds(lambda t: AppendToNote("n", t), st.sampled_from(["more", "𝔘"])),
            st.builds(Trash, st.sampled_from("abn")),
            st.builds(Restore, st.sampled_from("abn")),
            st.builds(Purge, st.sampled_from("abn")),
            st.just("sync"),
            st.just("compact"),
        ),
    ),
    max_size=25,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(steps=edits)
def test_devices_that_exchanged_everything_are_equal_in_document_and_read_model(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("devices")
    stores = [LibraryStore(folder / str(n), durability="normal", now_ms=lambda: 7) for n in range(3)]
    for device, step in steps:
        store, other = stores[device], stores[(device + 1) % 3]
        if step == "sync":
            assert store.apply_updates(other.diff(store.state_vector()).updates, "c").failure is None
        elif step == "compact":
            store.compact()
        else:
            try:
                store.edit(step)
            except NotFound:
                continue
    for _ in range(2):
        for n, store in enumerate(stores):
            store.apply_updates(stores[n - 1].diff(store.state_vector()).updates, "c")
    for store in stores:
        assert store.read.content() == stores[0].read.content()
        store.verify()
    for store in stores:
        store.close()


def test_yjs_reads_what_we_write_and_we_read_what_yjs_writes(yjs: Yjs, store: LibraryStore) -> None:
    store.edit(AddHighlight(GENESIS, id="h", tags=("a/b",)), AddNote("one\n𝔘 two", id="n", highlight_id="h"))
    seen = yjs("library", {"updates": [update.hex() for update in whole(store)], "note": "n"})
    assert seen["highlights"]["h"]["anchor"] == json.loads(json.dumps(GENESIS.to_json()))
    assert seen["fields"]["h/tag/a/b"] is True
    assert seen["body"] == "<paragraph>one</paragraph><paragraph>𝔘 two</paragraph>"
    assert store.apply_updates([bytes.fromhex(seen["answer"])], "c").failure is None
    assert store.read.highlight("h").color == "from yjs"  # type: ignore[union-attr]
    assert store.read.note("n").text == "one\n𝔘 two\nvon Yjs 🙂"  # type: ignore[union-attr]
    store.verify()


def burst(path: Path, name: str, count: int, durability: str = "normal") -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(__file__).with_name("burst.py")), str(path), name, str(count), durability]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def test_kill_9_in_a_burst_loses_nothing_whose_call_had_returned(path: Path) -> None:
    returned: list[str] = []
    for round_ in range(6):
        process = burst(path, f"round{round_}", 100_000, "full")
        go(process)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(20 + 17 * round_)]
        process.kill()
        lines += process.stdout.readlines()
        process.communicate()
        returned += [line.strip() for line in lines if line.endswith("\n")]
        with opened(path) as store:
            store.verify()
            there = {highlight.id for highlight in store.read.highlights()}
            assert set(returned) <= there
            assert len(there) - len(returned) <= round_ + 1  # at most the one in flight each time
            store.edit(AddHighlight(GENESIS, id=f"after{round_}"))
            returned.append(f"after{round_}")


def test_two_processes_on_one_file_see_each_others_edits(path: Path) -> None:
    with opened(path) as store:
        store.load()
        store.follow()
        processes = [burst(path, name, 60) for name in ("left", "right")]
        for process in processes:
            go(process)
        seen: set[str] = set()
        mine: list[str] = []
        while any(process.poll() is None for process in processes):
            seen |= {change.item_id for change in store.follow().changes}
            applied = store.edit(AddHighlight(GENESIS, tags=("here",)))
            mine += applied.ids
            seen |= {change.item_id for change in applied.changes if not change.here}
            if len(mine) % 20 == 0:
                store.compact()
        theirs = {line.strip() for process in processes for line in process.communicate()[0].splitlines()}
        seen |= {change.item_id for change in store.follow().changes}
        assert seen == theirs
        assert len(theirs) == 120
        assert {highlight.id for highlight in store.read.highlights()} == theirs | set(mine)
        assert store.pending == 120 + len(mine)
        store.verify()
