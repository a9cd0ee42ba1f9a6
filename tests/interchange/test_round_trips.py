"""Library → file → empty library: equal in what each format can hold (the table in docs/formats.md)."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt_sync import foreign
from crdt_sync.document import AddHighlight, Anchor, Edit, EditHighlight, Highlight, Note
from crdt_sync.document.library_document import LibraryDocument
from crdt_sync.interchange import bundle
from crdt_sync.interchange.registry import FORMATS, reader_for, writer_for
from crdt_sync.storage.store import LibraryStore
from tests.interchange.shelves import items, library, shelves

Held: TypeAlias = Callable[[Highlight | Note], Highlight | Note | None]


def export(store: LibraryStore, format_name: str, folder: Path) -> Path:
    if format_name == "markdown":
        foreign.save_folder(foreign.entries(store), folder / "vault")
        return folder / "vault"
    if format_name == "bundle":
        data = bundle.encoded(store.look(LibraryDocument.contents)).data
        suffix = ".json"
    else:
        writer = writer_for(format_name)
        data, suffix = writer.encode(foreign.entries(store)).data, writer.suffix
    path = folder / f"exported{suffix}"
    path.write_bytes(data)
    return path


def take(store: LibraryStore, path: Path) -> foreign.ImportReport:
    reader = reader_for(path)
    return foreign.take(store, foreign.read(reader, path))[1]


def all_of_it(item: Highlight | Note) -> Highlight | Note:
    return item


def not_in_the_trash(item: Highlight | Note) -> Highlight | Note | None:
    return None if item.is_deleted else item


def highlights_with_a_comment(item: Highlight | Note) -> Highlight | Note | None:
    if isinstance(item, Note) or item.is_deleted or item.kind == "bookmark":
        return None
    return item


def notes_of_highlights(item: Highlight | Note) -> Highlight | Note | None:
    return None if item.is_deleted or (isinstance(item, Note) and item.highlight_id is None) else item


CASES: dict[str, Held] = {
    "bundle": all_of_it,
    "markdown": not_in_the_trash,
    "epub": notes_of_highlights,
    "epub-json": notes_of_highlights,
    "hypothesis": highlights_with_a_comment,
}


def test_every_format_of_this_half_is_held_to_it() -> None:
    ours = {"bundle", "markdown", "epub", "epub-json", "hypothesis"}
    assert ours == CASES.keys() <= {name for name, each in FORMATS.items() if each.exported}


@pytest.mark.parametrize("format_name", CASES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_library_to_file_to_empty_library(format_name: str, data: st.DataObject) -> None:
    works = 2 if format_name in ("bundle", "markdown", "hypothesis") else 1
    edits: list[Edit] = data.draw(shelves(works=works))
    with library(*edits) as (store, folder), library() as (empty, _):
        path = export(store, format_name, folder)
        held = {item_id: kept for item_id, item in items(store).items() if (kept := CASES[format_name](item))}
        gone = {each.id for each in items(store).values() if isinstance(each, Highlight) and each.is_deleted}
        if format_name != "bundle":  # a note goes with its highlight
            held = {
                item_id: item
                for item_id, item in held.items()
                if not (isinstance(item, Note) and item.highlight_id in gone and format_name != "markdown")
            }
        if not held and format_name == "markdown":
            return
        report = take(empty, path)
        assert not report.conflicts
        assert items(empty) == held
        assert set(report.added) == held.keys()
        state = empty.state_vector()
        again = take(empty, path)
        assert (again.added, again.changed) == ((), ())
        assert empty.state_vector() == state  # no update at all
        empty.verify()

        before = store.state_vector()
        back = take(store, path)
        assert (back.added, back.changed, store.state_vector()) == ((), (), before)


@settings(max_examples=8, deadline=None)
@given(edits=shelves(works=1))
def test_a_second_export_of_what_came_in_says_the_same(edits: list[Edit]) -> None:
    """Foreign file → import → export to the same format: the same records, as nobody has changed anything."""
    for format_name in ("epub", "epub-json", "hypothesis", "bundle", "markdown"):
        with library(*edits) as (store, folder), library() as (empty, there):
            path = export(store, format_name, folder)
            if format_name == "markdown" and not any(path.iterdir()):
                continue
            take(empty, path)
            again = export(empty, format_name, there)
            if format_name != "markdown":
                first, second = (records(each) for each in (path, again))
                assert first == second


def records(path: Path) -> object:
    if path.suffix == ".annotations":
        with zipfile.ZipFile(path) as archive:
            value = json.loads(archive.read("annotations.json"))
    else:
        value = json.loads(path.read_bytes())
    for name in ("items", "rows"):
        if name in value:
            return sorted(value[name], key=lambda each: each["id"])
    return value["roots"], value["bodies"]


@pytest.mark.parametrize("format_name", CASES)
def test_an_old_export_takes_nothing_back(format_name: str) -> None:
    verse = AddHighlight(Anchor.verse("Gen.1.1", work="KJV", quote="In the beginning"), id="0" * 32, comment="first")
    with library(verse) as (store, folder):
        path = export(store, format_name, folder)
        store.edit(EditHighlight("0" * 32, comment="later", color="blue"))
        before = items(store)
        assert not take(store, path).added
        assert items(store) == before
