"""Annotations as the API of Hypothesis gives them, in files made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crdt_sync import foreign
from crdt_sync.document import EditHighlight, Quote
from crdt_sync.interchange.hypothesis import READER, WRITER
from crdt_sync.interchange.records import Record, Skipped
from crdt_sync.interchange.registry import reader_for
from tests.interchange.shelves import items, library
from tests.interchange.test_round_trips import take

ROW: dict[str, Any] = {
    "id": "jKvYzrO2Ee2m5S8hK3xQ0A",
    "created": "2023-01-30T10:00:00.500000+00:00",
    "updated": "2023-01-31T10:00:00+00:00",
    "user": "acct:ada@hypothes.example",
    "uri": "https://page.example/article",
    "text": "a *thought*",
    "tags": ["one", "two"],
    "group": "__world__",
    "permissions": {"read": ["group:__world__"]},
    "target": [
        {
            "source": "https://page.example/article",
            "selector": [
                {"type": "RangeSelector", "startContainer": "/p[1]", "startOffset": 3, "endContainer": "/p[1]"},
                {"type": "TextPositionSelector", "start": 120, "end": 126},
                {"type": "TextQuoteSelector", "exact": "words", "prefix": "the ", "suffix": " of"},
                {"type": "PageSelector", "index": 3, "label": "iv"},
            ],
        }
    ],
    "document": {"title": ["An article"]},
    "links": {"html": "https://hyp.example/a/1"},
}  # fmt: skip
REPLY = {**ROW, "id": "reply", "references": [ROW["id"]]}
PAGE_NOTE = {**ROW, "id": "note", "target": [{"source": ROW["uri"]}], "text": "about it all"}


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def test_rows_come_in_with_positions_left_in_their_unit(tmp_path: Path) -> None:
    path = write(tmp_path / "api.json", {"total": 3, "rows": [ROW, REPLY, PAGE_NOTE, {"id": "x"}]})
    assert reader_for(path) is READER
    first, reply, note, broken = READER.read(path)
    assert isinstance(first, Record)
    assert first.anchor is not None
    assert first.anchor.quote == Quote("words", "the ", " of")
    assert first.anchor.position is None  # UTF-16 units of a text that is not here
    assert first.anchor.opaque[1] == {"type": "TextPositionSelector", "start": 120, "end": 126, "unit": "utf16"}
    assert (first.anchor.work_id, first.anchor.work["title"], first.anchor.page) == (ROW["uri"], "An article", "iv")
    assert (first.comment, first.tags, first.creator) == ("a *thought*", ("one", "two"), ROW["user"])
    assert first.created_at_ms == 1_675_072_800_500
    assert isinstance(reply, Skipped)
    assert (reply.where, "reply" in reply.reason) == ("rows[1]", True)
    assert isinstance(note, Record)
    assert note.anchor is not None
    assert (note.anchor.quote, note.anchor.source, note.comment) == (None, ROW["uri"], "about it all")
    assert isinstance(broken, Skipped)


def test_a_list_and_a_single_row_are_read_too(tmp_path: Path) -> None:
    for value in ([ROW], ROW):
        path = write(tmp_path / "x.json", value)
        assert reader_for(path) is READER
        (record,) = READER.read(path)
        assert isinstance(record, Record)


def test_two_annotations_of_one_quote_stay_two_and_twice_is_once(tmp_path: Path) -> None:
    path = write(tmp_path / "api.json", {"rows": [ROW, {**ROW, "id": "another", "text": "a second thought"}]})
    with library() as (store, _):
        assert len(take(store, path).added) == 2
        assert len(items(store)) == 2
        assert len(take(store, path).there) == 2


def test_rows_go_out_as_they_came_but_for_what_a_person_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "api.json", {"total": 2, "rows": [ROW, PAGE_NOTE]})
    with library() as (store, _):
        first, _ = take(store, path).added
        assert by_id(exported(store)) == by_id([ROW, PAGE_NOTE])
        store.edit(EditHighlight(first, comment="another", add_tags=("three",)))
        changed = by_id(exported(store))[ROW["id"]]
        assert changed == {**ROW, "text": "another", "tags": ["one", "three", "two"]}


def exported(store: Any) -> list[Any]:
    rows: list[Any] = json.loads(WRITER.encode(foreign.entries(store)).data)["rows"]
    return rows


def by_id(rows: list[Any]) -> dict[str, Any]:
    return {row["id"]: row for row in rows}
