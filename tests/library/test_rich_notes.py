"""Notes as Markdown and HTML through the library: imported ones, those of Quill, edits of two devices."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from pycrdt import Doc, Map
from pycrdt import Text as YText

from crdt_sync.document import AddNote, Adopt, AppendToNote, EditNoteBody, Note, Purge, SetNoteBody
from crdt_sync.document.rich import MAX_MARKDOWN, Element, Run, Text
from crdt_sync.document.rich.html import render_html
from crdt_sync.document.rich.markdown import render_markdown
from crdt_sync.errors import InvalidEdit, NotFound
from crdt_sync.library import open_library
from crdt_sync.storage.store import LibraryStore

MARKDOWN = "# Title\n\nSome **bold** [link](osis:Gen.1.1).\n\n- one\n- two"
IMPORTED = Note("n", None, "", "first line\nsecond line", (), 1, "", 1)


@pytest.fixture
def devices(tmp_path: Path) -> Any:
    stores = [LibraryStore(tmp_path / f"{name}.crdt", random=Random(name)) for name in ("one", "two")]
    yield stores
    for store in stores:
        store.close()


def meet(devices: list[LibraryStore]) -> None:
    for one, other in (devices, devices[::-1]):
        applied = other.apply_updates(one.diff(other.state_vector()).updates, "x")
        assert applied.failure is None
    assert devices[0].body("n") == devices[1].body("n")
    for store in devices:
        store.verify()


def text(store: LibraryStore) -> str:
    note = store.query(lambda read: read.note("n"))
    assert note is not None
    return note.text


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_note_is_written_shown_and_edited_as_markdown(tmp_path: Path) -> None:
    async with open_library(tmp_path / "x.crdt") as library:
        note_id = await library.add_note(MARKDOWN, markdown=True)
        assert await library.note_markdown(note_id) == MARKDOWN
        assert (await library.note_html(note_id)).startswith("<h1>Title</h1>\n<p>Some <strong>bold</strong> <a href=")
        note = await library.note(note_id)
        assert note is not None
        assert note.text == "Title\nSome bold link.\none\ntwo"
        async with library.changes() as feed:
            await library.edit_note(note_id, MARKDOWN)  # what it says already
            await library.edit_note(note_id, MARKDOWN.replace("two", "three"))
            (change,) = await feed.take()
            assert change.item_id == note_id
        assert await library.note_markdown(note_id) == MARKDOWN.replace("two", "three")
        await library.append_to_note(note_id, "# no heading")
        assert (await library.note_markdown(note_id)).endswith("\n\n\\# no heading")
        with pytest.raises(NotFound):
            await library.note_html("nobody")
        with pytest.raises(NotFound):
            await library.edit_note("nobody", "x")
        with pytest.raises(InvalidEdit):
            await library.edit_note(note_id, "x" * (MAX_MARKDOWN + 1))


def test_what_is_said_already_is_no_edit(devices: list[LibraryStore]) -> None:
    store = devices[0]
    store.edit(AddNote(MARKDOWN, id="n", markdown=True))
    before = store.pending
    store.edit(EditNoteBody("n", MARKDOWN), EditNoteBody("n", "other", base="other"), SetNoteBody("n", store.body("n")))
    assert store.pending == before


def test_an_imported_note_that_two_devices_edit_apart_is_there_once(devices: list[LibraryStore]) -> None:
    for store in devices:
        store.edit(Adopt(IMPORTED))
    devices[0].edit(EditNoteBody("n", "first *line*\n\nsecond line"))
    devices[1].edit(EditNoteBody("n", "first line\n\nthe second line"))
    meet(devices)
    assert render_markdown(devices[0].body("n")) == "first _line_\n\nthe second line"
    assert text(devices[0]) == "first line\nthe second line"


def test_an_imported_text_stays_when_a_line_is_appended_to_it(devices: list[LibraryStore]) -> None:
    for number, store in enumerate(devices):
        store.edit(Adopt(IMPORTED))
        store.edit(AppendToNote("n", f"line {number}"))
        assert text(store) == f"first line\nsecond line\nline {number}"
    meet(devices)
    assert sorted(text(devices[0]).split("\n")) == ["first line", "line 0", "line 1", "second line"]


def test_an_imported_note_that_is_purged_and_comes_again_can_be_edited(devices: list[LibraryStore]) -> None:
    store = devices[0]
    for _ in range(3):
        store.edit(Adopt(IMPORTED))
        store.edit(EditNoteBody("n", "first line\n\nlast line"))
        assert text(store) == "first line\nlast line"
        store.edit(Purge("n"))
    store.edit(Adopt(IMPORTED))
    meet(devices)
    assert text(devices[1]) == IMPORTED.text


def test_a_base_tells_what_was_edited(devices: list[LibraryStore]) -> None:
    devices[0].edit(AddNote("one\n\ntwo\n\nthree", id="n", markdown=True))
    meet(devices)
    devices[1].edit(EditNoteBody("n", "one\n\ntwo and more\n\nthree"))
    meet(devices)
    devices[0].edit(EditNoteBody("n", "ONE\n\ntwo\n\nthree\n\nfour", base="one\n\ntwo\n\nthree"))
    assert render_markdown(devices[0].body("n")) == "ONE\n\ntwo and more\n\nthree\n\nfour"


def test_a_note_of_quill_is_shown_and_not_spoilt(devices: list[LibraryStore]) -> None:
    store = devices[0]
    doc: Doc[Any] = Doc()
    body = doc.get("note/n", type=YText)
    body.insert(0, "Heading")
    body.insert(7, "\n", {"header": 2})
    body.insert(8, "and a ")
    body.insert(14, "word", {"bold": True, "link": "note:x"})
    doc.get("notes", type=Map)["n"] = {"createdAt": 1, "createdBy": ""}
    store.apply_updates([doc.get_update()], "x")
    assert render_html(store.body("n")).startswith("<h2>Heading</h2>\n<p>and a <a href=")
    assert text(store) == "Heading\nand a word"
    before = store.state_vector()
    for edit in (EditNoteBody("n", "x"), AppendToNote("n", "x"), SetNoteBody("n", ())):
        with pytest.raises(InvalidEdit, match="Quill"):
            store.edit(edit)
    assert store.state_vector() == before
    store.edit(Purge("n"))
    assert store.query(lambda read: read.note("n")) is None


@pytest.mark.parametrize("nested", [False, True])
def test_a_tree_that_cannot_be_is_refused_before_anything_is_changed(devices: list[LibraryStore], nested: bool) -> None:
    devices[0].edit(AddNote("x", id="n"))
    node = Element("paragraph", (), (Text((Run("x" if nested else "\ud800"),)),))
    for _ in range(40 if nested else 0):
        node = Element("blockquote", (), (node,))
    with pytest.raises(InvalidEdit):
        devices[0].edit(AddNote("y", id="m"), SetNoteBody("n", (node,)))
    assert text(devices[0]) == "x"
    assert devices[0].query(lambda read: read.note("m")) is None
