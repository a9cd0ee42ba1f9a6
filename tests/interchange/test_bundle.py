"""The bundle: all of a library, the parts too that this version does not know, and bodies that are never doubled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Map, Text, XmlElement, XmlFragment, XmlText

from crdt_sync import foreign
from crdt_sync.document import AddHighlight, AddNote, Anchor, AppendToNote, EditHighlight, Note, Purge
from crdt_sync.document.contents import Contents, read_contents
from crdt_sync.document.library_document import LibraryDocument
from crdt_sync.errors import ReadOnlyLibrary, UnreadableFile
from crdt_sync.interchange import bundle
from crdt_sync.interchange.registry import reader_for
from crdt_sync.storage.store import LibraryStore
from tests.interchange.shelves import items, library, shelves
from tests.interchange.test_round_trips import export, take

SCHEMA = jsonschema_rs.validator_for(
    json.loads((Path(__file__).parents[2] / "docs" / "bundle.schema.json").read_text("utf-8"))
)
words = st.sampled_from(["a", "wörd ", "𝔘𝔫", "\n", "e\u0301", "שלום"])
marks = st.dictionaries(
    st.sampled_from(["bold", "code", "link"]),
    st.sampled_from([{}, {"href": "https://x.example/"}, {"href": "a", "title": "b"}]),
    max_size=2,
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e9, 1e9) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def bodies(draw: st.DrawFn, depth: int = 2) -> list[Any]:
    nodes: list[Any] = []
    for _ in range(draw(st.integers(0, 3))):
        if depth == 2 or (depth and draw(st.booleans())):  # text stands in blocks
            tag = draw(st.sampled_from(["paragraph", "heading", "bulletList", "unknownNode"]))
            attributes = draw(
                st.dictionaries(st.sampled_from(["level", "x"]), values.filter(lambda v: v is not None), max_size=2)
            )
            nodes.append((tag, attributes, draw(bodies(depth - 1))))
        else:
            nodes.append([(draw(words), draw(marks)) for _ in range(draw(st.integers(1, 3)))])
    return nodes  # fmt: skip


def write_body(parent: Any, nodes: list[Any]) -> None:
    """Write a body as an editor would, in ordinary calls."""
    for node in nodes:
        if isinstance(node, tuple):
            element = parent.children.append(XmlElement(node[0], node[1]))
            write_body(element, node[2])
            continue
        text = parent.children.append(XmlText())
        end = 0
        for word, attributes in node:
            text.insert(end, word, attributes or None)
            end += len(word.encode())


def foreign_update(edit: Any) -> bytes:
    doc: Doc[Any] = Doc()
    edit(doc)
    return doc.get_update()


def document_of(store: LibraryStore) -> Contents:
    return store.look(LibraryDocument.contents)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_rich_bodies_unknown_keys_and_other_roots_come_back_equal(data: st.DataObject) -> None:
    body = data.draw(bodies())
    unknown = data.draw(st.dictionaries(words, values, max_size=3))

    def another_version(doc: Doc[Any]) -> None:
        write_body(doc.get("note/free", type=XmlFragment), body)
        doc.get("notes", type=Map)["free"] = {"createdAt": 1, "createdBy": "x", "future": unknown}
        doc.get("fields", type=Map)["free/unknown"] = unknown
        doc.get("fields", type=Map)["nobody/color"] = "red"
        doc.get("collections", type=Map)["c"] = unknown

    with library(*data.draw(shelves(free_notes=False, works=2))) as (store, folder), library() as (empty, there):
        store.apply_updates([foreign_update(another_version)], "elsewhere")
        path = export(store, "bundle", folder)
        SCHEMA.validate(json.loads(path.read_bytes()))
        report = take(empty, path)
        assert report.added
        assert document_of(empty) == document_of(store)
        assert items(empty) == items(store)
        assert export(empty, "bundle", there).read_bytes() == path.read_bytes()
        state = empty.state_vector()
        assert not take(empty, path).added
        assert empty.state_vector() == state


RICH = [("heading", {"level": 2}, [[("Title", {})]]), ("paragraph", {}, [[("bold", {"bold": {}}), (" plain", {})]])]


def with_a_rich_note(doc: Doc[Any]) -> None:
    write_body(doc.get("note/rich", type=XmlFragment), RICH)
    doc.get("notes", type=Map)["rich"] = {"createdAt": 1, "createdBy": "x"}
    doc.get("highlights", type=Map)["h"] = {"anchor": {"source": "Gen.1.1"}, "createdAt": 1}
    doc.get("fields", type=Map)["h/color"] = "yellow"


@pytest.fixture
def rich(tmp_path: Path) -> Path:
    with library() as (store, _):
        store.apply_updates([foreign_update(with_a_rich_note)], "elsewhere")
        return export(store, "bundle", tmp_path)


def test_two_empty_devices_that_take_it_apart_become_one_and_lose_nothing(rich: Path) -> None:
    for turn in range(4):  # the client ids of their edits are drawn anew, and decide nothing
        with library() as (here, _), library() as (there, _):
            take(here, rich)
            here.edit(EditHighlight("h", color="red"), AppendToNote("rich", "mine"))
            take(there, rich)
            for one, other in ((here, there), (there, here)):
                one.apply_updates(other.diff(b"\x00").updates, "wire")
            for store in (here, there):
                found = items(store)
                note = found["rich"]
                assert isinstance(note, Note)
                assert note.text == "Title\nbold plain\nmine", turn
                assert store.query(lambda read: read.highlight("h").color) == "red"  # type: ignore[union-attr]


def test_a_body_is_not_doubled_where_the_libraries_had_something_else_before(rich: Path) -> None:
    with library(AddNote("one", id="one")) as (here, _), library(AddNote("two", id="two")) as (there, _):
        for store in (here, there):
            assert take(store, rich).added == ("h", "rich")
        here.apply_updates(there.diff(b"\x00").updates, "wire")
        note = items(here)["rich"]
        assert isinstance(note, Note)
        assert note.text == "Title\nbold plain"
        assert items(here).keys() == {"h", "rich", "one", "two"}


def test_what_is_there_stays_and_what_was_purged_comes_back_whole(rich: Path) -> None:
    with library() as (store, _):
        take(store, rich)
        store.edit(EditHighlight("h", color="red", add_tags=("mine",)))
        before = items(store)
        assert take(store, rich).there == ("h", "rich")
        assert items(store) == before
        store.edit(Purge("rich"), Purge("h"))
        assert set(take(store, rich).added) == {"h", "rich"}
        note = items(store)["rich"]
        assert isinstance(note, Note)
        assert note.text == "Title\nbold plain"
        assert document_of(store).bodies == read_contents(foreign_update(with_a_rich_note)).bodies


def test_one_work_alone() -> None:
    kjv, asv = (AddHighlight(Anchor.verse("Gen.1.1", work=work), id=work, color="red") for work in ("KJV", "ASV"))
    with library(kjv, asv, AddNote("of it", highlight_id="KJV", id="n"), AddNote("free", id="free")) as (store, _):
        value = json.loads(bundle.encoded(document_of(store), "KJV").data)
        SCHEMA.validate(value)
        assert list(value["roots"]["highlights"]) == ["KJV"]
        assert list(value["roots"]["notes"]) == list(value["bodies"]) == ["n"]
        assert {key.partition("/")[0] for key in value["roots"]["fields"]} == {"KJV", "n"}


def test_what_json_cannot_say_is_left_out_and_told() -> None:
    def odd(doc: Doc[Any]) -> None:
        doc.get("fields", type=Map)["x/bytes"] = b"\x00\x01"
        doc.get("fields", type=Map)["x/inf"] = float("inf")
        doc.get("fields", type=Map)["x/fine"] = 1
        doc.get("written", type=Text).insert(0, "a text root")

    with library() as (store, _):
        store.apply_updates([foreign_update(odd)], "elsewhere")
        encoded = bundle.encoded(document_of(store))
        assert {each.where for each in encoded.skipped} >= {"fields: x/bytes", "fields: x/inf"}
        assert json.loads(encoded.data)["roots"]["fields"] == {"x/fine": 1}


@pytest.mark.parametrize(
    "value",
    [
        {"format": "other"},
        {"format": "crdt-sync"},
        {"format": "crdt-sync", "version": 2, "roots": {}, "bodies": {}},
        {"format": "crdt-sync", "version": True, "roots": {}, "bodies": {}},
        {"format": "crdt-sync", "version": 1},
        {"format": "crdt-sync", "version": 1, "roots": {"highlights": []}},
        {"format": "crdt-sync", "version": 1, "roots": {"highlights": {"a/b": {}}}},
        {"format": "crdt-sync", "version": 1, "roots": {"notes": {"n": 3}}},
        {"format": "crdt-sync", "version": 1, "roots": {"note/x": {}}},
        {"format": "crdt-sync", "version": 1, "roots": {"fields": {"x/y": "\ud800"}}},
        {"format": "crdt-sync", "version": 1, "roots": {"meta": {"minWriter": 99}}},
        {"format": "crdt-sync", "version": 1, "roots": {}, "bodies": {"n": {}}},
        {"format": "crdt-sync", "version": 1, "roots": {}, "bodies": {"n": [{"text": "x"}]}},
        {"format": "crdt-sync", "version": 1, "roots": {}, "bodies": {"n": [{"type": "text"}]}},
        {"format": "crdt-sync", "version": 1, "roots": {}, "bodies": {"n": [{"type": "p", "content": {}}]}},
        {"format": "crdt-sync", "version": 1, "roots": {}, "bodies": {"n": [{"type": "p", "attrs": []}]}},
        {"format": "crdt-sync", "version": 1, "roots": {}, "bodies": {"n": [{"type": "text", "text": "x", "marks": [3]}]}},  # noqa: E501
    ],
)  # fmt: skip
def test_anything_else_is_refused_and_nothing_of_it_taken(value: Any, tmp_path: Path) -> None:
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps(value))
    with library() as (store, _):
        state = store.state_vector()
        with pytest.raises(UnreadableFile):
            foreign.take(store, foreign.read(bundle.READER, path))
        assert store.state_vector() == state


def test_a_library_that_asks_for_a_newer_writer_takes_nothing(rich: Path) -> None:
    with library() as (store, _):
        store.apply_updates([foreign_update(lambda doc: doc.get("meta", type=Map).update({"minWriter": 9}))], "x")
        with pytest.raises(ReadOnlyLibrary):
            take(store, rich)
        assert not items(store)


def test_it_is_recognised(rich: Path) -> None:
    assert reader_for(rich) is bundle.READER
