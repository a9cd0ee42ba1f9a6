from __future__ import annotations

import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pycrdt import Doc, Map

from crdt_sync import ItemKind
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
    GapError,
    InvalidEdit,
    NotFound,
    RemoteProtocolError,
)
from crdt_sync.storage import store as store_module
from crdt_sync.storage.binding import Binding
from crdt_sync.storage.store import LibraryStore
from tests.storage.opened import GENESIS, MINE, opened, whole


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
    (change,) = store.edit(Purge("note")).changes
    assert (change.item, change.kind) == (ItemKind.NOTE, ChangeKind.PURGED)  # what it was, though it is gone
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
    sources = ("Gen.1.1-Gen.1.3", "Gen.1", "Gen.10.1", "Gen.1-Gen.2")
    for source, color in (*((source, "red") for source in sources), ("Exod.1.1", "blue")):
        store.edit(AddHighlight(Anchor.verse(source, work="KJV"), color=color, tags=(source[0],)))
    assert [h.anchor.source for h in store.read.highlights(within="Gen.1")] == ["Gen.1", "Gen.1.1-Gen.1.3"]
    assert [h.anchor.source for h in store.read.highlights(color="blue", work="KJV")] == ["Exod.1.1"]
    assert len(store.read.highlights(tag="G")) == 4
    assert len(store.read.highlights(limit=2, offset=4)) == 1


@pytest.mark.parametrize("work", [{}, {"work": "KJV"}])
def test_a_chapter_is_looked_up_in_an_index(store: LibraryStore, work: dict[str, str]) -> None:
    store.edit(MINE)
    statements: list[str] = []
    store._connection.set_trace_callback(statements.append)
    store.read.highlights(within="Gen.1", **work)
    store._connection.set_trace_callback(None)
    (query,) = (statement for statement in statements if "FROM highlights" in statement)
    plan = " ".join(row[3] for row in store._connection.execute(f"EXPLAIN QUERY PLAN {query}"))
    assert re.search(r"SEARCH highlights USING INDEX \w+ \(.*source>\? AND source<\?\)", plan), plan


def test_search_finds_words_without_their_accents_and_takes_no_query_language(store: LibraryStore) -> None:
    store.edit(AddHighlight(GENESIS, comment="Größe und Café", id="a"), AddNote('a "quoted" NEAR text', id="b"))
    for text, found in (("grosse", []), ("größe", ["a"]), ("cafe begin", ["a"]), ('"quoted', ["b"])):
        assert [hit.item_id for hit in store.read.search(text).hits] == found, text
    assert store.read.search('NEAR( * OR "').hits == ()
    assert "[Café]" in store.read.search("cafe").hits[0].snippet
    store.edit(Trash("a"))
    assert store.read.search("cafe").hits == ()


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
    store.sync_with(ada)
    store.bind(ada)
    store.bind(ada)
    for other in (Binding("wss://relay", "room", "bob"), Binding("wss://relay", "other", "ada")):
        with pytest.raises(BoundElsewhere, match="cannot be parted"):
            store.sync_with(other)


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
