"""What a file says is a layer of its own: no import resets a person, on whichever device, in whatever order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crdt_sync.document import (
    AddHighlight,
    Anchor,
    AppendToNote,
    Edit,
    EditHighlight,
    EditNote,
    Imported,
    ImportItem,
    Purge,
    Restore,
    Trash,
)
from crdt_sync.document.imported import MAX_RECORD_BYTES
from crdt_sync.document.importing import Verdict
from crdt_sync.document.library_document import LibraryDocument
from crdt_sync.errors import InvalidEdit

ANCHOR = Anchor.verse("Gen.1.1", work="KJV", quote="In the beginning")
SAID = Imported("kindle", color="yellow", style="highlight", comment="theirs", tags=("a", "b"), record_json='{"n": 1}')
ITEM = ImportItem("h", SAID, ANCHOR, created_at_ms=5)
NOTE = ImportItem("n", Imported("kindle", title="T", tags=("a",)), text="one\ntwo")


def document(client_id: int = 1) -> LibraryDocument:
    return LibraryDocument([], iter([client_id, client_id + 100]).__next__)


def edit(library: LibraryDocument, *edits: Edit) -> bytes | None:
    return library.edit(edits, now_ms=1_000, author="ada", new_id=lambda: "new")[0].update


def shown(library: LibraryDocument, item_id: str = "h") -> Any:
    return library.highlight(item_id, library.tags(item_id, ("mine", "c")))


def test_an_import_shows_and_writes_no_field() -> None:
    library = document()
    assert edit(library, ITEM, NOTE)
    highlight = shown(library)
    assert (highlight.color, highlight.comment, highlight.tags) == ("yellow", "theirs", ("a", "b"))
    assert (highlight.created_at_ms, highlight.created_by, highlight.updated_at_ms) == (5, "", 0)
    note = library.note("n", library.tags("n", ()))
    assert note is not None
    assert (note.title, note.text, note.tags) == ("T", "one\ntwo", ("a",))
    assert set(library.contents().roots["fields"]) == {"n/body"}


def test_twice_is_no_update_at_all() -> None:
    library = document()
    edit(library, ITEM, NOTE)
    assert edit(library, ITEM, NOTE) is None


@pytest.mark.parametrize("clients", [(1, 2), (2, 1)])
def test_what_a_person_changed_outlives_the_import_of_another_device(clients: tuple[int, int]) -> None:
    """Were they fields, the client ids would decide, and one of the two orders would lose the red one."""
    here, there = map(document, clients)
    edit(here, ITEM)
    edit(here, EditHighlight("h", color="red", comment="", remove_tags=("a",), add_tags=("mine",)), Trash("h"))
    edit(there, ITEM)
    for one, other in ((here, there), (there, here)):
        _, failure = one.receive([other.diff(b"\x00")])
        assert failure is None
    for library in (here, there):
        highlight = shown(library)
        assert (highlight.color, highlight.comment, highlight.tags) == ("red", "", ("b", "mine"))
        assert highlight.is_deleted
        assert edit(library, ITEM) is None
    assert here.contents() == there.contents()


@pytest.mark.parametrize("clients", [(1, 2), (2, 1)])
def test_two_devices_that_import_apart_hold_one_item(clients: tuple[int, int]) -> None:
    here, there = map(document, clients)
    for library in (here, there):
        edit(library, ITEM, NOTE)
    here.receive([there.diff(b"\x00")])
    assert list(here.contents().roots["highlights"]) == ["h"]
    note = here.note("n", ())
    assert note is not None
    assert note.text == "one\ntwo"
    assert not here.contents().bodies


def test_a_changed_file_changes_what_no_person_has_changed() -> None:
    library = document()
    edit(library, ITEM)
    edit(library, EditHighlight("h", color="red", remove_tags=("a",)))
    new = replace(SAID, color="green", comment="theirs, again", tags=("a", "c"))
    (outcome,) = library.judge([replace(ITEM, imported=new)])
    assert (outcome.verdict, outcome.kept) == (Verdict.CHANGED, ("color",))
    assert edit(library, replace(ITEM, imported=new))
    highlight = shown(library)
    assert (highlight.color, highlight.comment, highlight.tags) == ("red", "theirs, again", ("c",))
    assert edit(library, replace(ITEM, imported=new)) is None
    assert library.imported("h") == new


def test_a_stale_file_says_nothing_where_its_records_have_times() -> None:
    library = document()
    new = replace(SAID, color="green", updated_at_ms=20)
    edit(library, replace(ITEM, imported=new))
    assert edit(library, replace(ITEM, imported=replace(SAID, updated_at_ms=10))) is None
    assert shown(library).color == "green"
    assert edit(library, replace(ITEM, imported=replace(SAID, updated_at_ms=30)))
    assert shown(library).color == "yellow"


def test_a_file_that_comes_to_place_it_elsewhere_moves_it_unless_a_person_did() -> None:
    library = document()
    edit(library, ITEM)
    moved = Anchor.verse("Gen.1.2", work="KJV", quote="And the earth")
    assert edit(library, replace(ITEM, anchor=moved))
    assert shown(library).anchor == moved
    assert edit(library, replace(ITEM, anchor=moved)) is None
    assert edit(library, ITEM)  # and back
    assert shown(library).anchor == ANCHOR


def test_the_trash_of_a_file_and_the_person_who_took_it_out() -> None:
    library = document()
    trashed = replace(ITEM, imported=replace(SAID, trashed=True))
    edit(library, trashed)
    assert shown(library).is_deleted
    assert edit(library, Trash("h")) is None
    touched, _ = library.edit([Restore("h")], now_ms=1, author="", new_id=str)
    assert touched.items["h"].restored
    assert not touched.items["h"].trashed
    assert not shown(library).is_deleted
    assert edit(library, trashed) is None
    assert edit(library, Restore("h")) is None
    touched, _ = library.edit([Trash("h")], now_ms=1, author="", new_id=str)
    assert touched.items["h"].trashed
    assert shown(library).is_deleted
    kept = library.judge([ITEM])[0].kept
    assert kept == ("trash",)


def test_an_edit_that_says_what_the_file_says_writes_nothing() -> None:
    library = document()
    edit(library, ITEM, NOTE)
    assert edit(library, EditHighlight("h", color="yellow", comment="theirs", add_tags=("a",))) is None
    assert edit(library, EditNote("n", title="T")) is None
    assert edit(library, EditHighlight("h", comment="")) is not None
    assert shown(library).comment == ""


def test_a_tag_that_a_file_gave_goes_and_comes_back() -> None:
    library = document()
    edit(library, ITEM)
    edit(library, EditHighlight("h", remove_tags=("a",)))
    assert shown(library).tags == ("b",)
    assert edit(library, EditHighlight("h", remove_tags=("a",))) is None
    edit(library, EditHighlight("h", add_tags=("a",)))
    assert shown(library).tags == ("a", "b")


def test_a_file_of_this_library_leaves_what_was_made_here_alone() -> None:
    library = document()
    edit(library, AddHighlight(ANCHOR, id="h", comment="mine"))
    assert edit(library, replace(ITEM, own=True)) is None
    assert edit(library, replace(ITEM, own=False))
    assert shown(library).comment == "mine"


def test_a_file_of_this_library_in_another_format_does_not_take_the_place_of_where_it_came_from() -> None:
    library = document()
    edit(library, ITEM)
    assert edit(library, replace(ITEM, imported=replace(SAID, format="epub", color="pink"), own=True)) is None
    assert library.imported("h") == SAID


def test_what_was_purged_comes_back_only_by_an_import() -> None:
    library = document()
    edit(library, ITEM)
    edit(library, replace(ITEM, imported=replace(SAID, color="green")))
    edit(library, Purge("h"))
    assert shown(library) is None
    assert "fields" not in library.contents().roots
    assert edit(library, ITEM)
    assert shown(library).color == "yellow"


def test_a_record_has_a_bound_and_holds_json() -> None:
    library = document()
    for record in ("x" * (MAX_RECORD_BYTES + 1), "half \ud800"):
        with pytest.raises(InvalidEdit):
            edit(library, replace(ITEM, imported=replace(SAID, record_json=record)))
    assert shown(library) is None


def test_what_stands_there_in_another_shape_is_read_leniently() -> None:
    for value in (None, 3, [], {"format": 3}, {}):
        assert Imported.from_json(value) is None
    read = Imported.from_json({"format": "f", "id": 3, "color": [], "tags": ["a", 3, ""], "trashed": 1, "record": []})
    assert read == Imported("f", tags=("a",))
    assert Imported.from_json(SAID.to_json()) == SAID
    assert SAID.record == {"n": 1}
    for text in (None, "{", "[]", "[" * 100_000):
        assert Imported("f", record_json=text).record is None


def test_a_note_that_a_person_has_edited_is_left_alone_by_the_same_file_and_by_a_changed_one() -> None:
    library = document()
    edit(library, NOTE)
    edit(library, AppendToNote("n", "mine"))
    assert edit(library, NOTE) is None
    assert edit(library, replace(NOTE, text="changed"))
    note = library.note("n", ())
    assert note is not None
    assert note.text == "one\ntwo\nmine"
    assert edit(library, replace(NOTE, text="changed")) is None
