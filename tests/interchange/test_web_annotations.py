"""EPUB Annotations, W3C Web Annotations, and what Readium and Thorium write: files made here, in their shapes."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings

from crdt_sync import foreign
from crdt_sync.document import AddHighlight, Anchor, Edit, EditHighlight, Highlight, Position, Quote, Trash
from crdt_sync.errors import InvalidEdit, UnreadableFile
from crdt_sync.interchange.colors import hex_name
from crdt_sync.interchange.records import Record, Skipped
from crdt_sync.interchange.registry import reader_for, writer_for
from crdt_sync.interchange.web_reading import READER
from tests.interchange.shelves import items, library, shelves
from tests.interchange.test_round_trips import take

SCHEMA = jsonschema_rs.validator_for(
    json.loads((Path(__file__).parent / "epub_annotations.schema.json").read_text()), validate_formats=True
)
CFI = {
    "type": "FragmentSelector",
    "conformsTo": "http://www.idpf.org/epub/linking/cfi/epub-cfi.html",
    "value": "epubcfi(/6/4[c1]!/4/10,/2/1:1,/3:4)",
}
CSS = {
    "type": "CssSelector",
    "value": "#intro > p:nth-child(2)",
    "refinedBy": {"type": "TextPositionSelector", "start": 4, "end": 19},
}
QUOTE = {"type": "TextQuoteSelector", "exact": "q"}
XPATH = {"type": "XPathSelector", "value": "/html/body/p[2]"}
CREATED = 1_738_182_203_274
FROM_A_READER: dict[str, Any] = {
    "@context": "https://www.w3.org/ns/epub-anno.jsonld",
    "id": "urn:uuid:0f5f4b0e-1111-4222-8333-444455556666",
    "type": "AnnotationSet",
    "about": {
        "dc:identifier": ["urn:thorium:3d1c", "urn:isbn:9780000000002"],
        "dc:title": "A Book",
        "dc:creator": ["One", "Two"],
        "dc:publisher": "House",
        "dc:date": "2001",
        "dc:format": "application/epub+zip",
    },
    "items": [
        {
            "id": "urn:uuid:5d67dcc9-6cd6-487e-bb32-c96e40f252a0",
            "type": "Annotation",
            "motivation": "commenting",
            "created": "2025-01-29T20:23:23.274Z",
            "modified": "2025-01-30T20:23:23Z",
            "creator": {"id": "https://people.example/1", "type": "Person", "name": "Ada"},
            "target": {
                "source": "OEBPS/c1.xhtml",
                "selector": [
                    CFI,
                    CSS,
                    XPATH,
                    {"type": "TextQuoteSelector", "exact": "the words", "prefix": "before ", "suffix": " after"},
                    {"type": "TextPositionSelector", "start": 100, "end": 109},
                    {"type": "ProgressionSelector", "value": 0.25},
                ],
                "meta": {
                    "headings": [{"level": 1, "txt": "Part"}, {"level": 2, "txt": "Chapter"}],
                    "page": "XI",
                },
            },
            "body": {
                "type": "TextualBody",
                "value": "a thought",
                "format": "text/plain",
                "color": "purple",
                "highlight": "underline",
                "tags": ["teacher", "later"],
                "x-own": {"kept": True},
            },
        },
        {
            "id": "urn:uuid:5d67dcc9-6cd6-487e-bb32-c96e40f252a1",
            "type": "Annotation",
            "motivation": "bookmarking",
            "created": "2025-01-29T20:23:23Z",
            "target": {"source": "OEBPS/c2.xhtml", "selector": [CFI]},
        },
    ],
}


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def read(path: Path) -> list[Any]:
    assert reader_for(path) is READER
    return list(READER.read(path))


def test_every_field_comes_in(tmp_path: Path) -> None:
    first, second = read(write(tmp_path / "set.json", FROM_A_READER))
    assert isinstance(first, Record)
    assert first.anchor == Anchor(
        work={
            "id": "urn:isbn:9780000000002",
            "identifiers": ["urn:thorium:3d1c", "urn:isbn:9780000000002"],
            "title": "A Book",
            "author": "One, Two",
            "authors": ["One", "Two"],
            "publisher": "House",
            "date": "2001",
            "format": "application/epub+zip",
        },
        source="OEBPS/c1.xhtml",
        quote=Quote("the words", "before ", " after"),
        position=Position(100, 109),
        opaque=(CFI, CSS, XPATH, {"type": "ProgressionSelector", "value": 0.25}),
        heading="Chapter",
        page="XI",
    )
    assert (first.color, first.style, first.tags) == ("purple", "underline", ("teacher", "later"))
    assert (first.comment, first.creator, first.kind) == ("a thought", "Ada", "highlight")
    assert (first.created_at_ms, first.updated_at_ms) == (CREATED, 1_738_268_603_000)
    assert first.item_id == "5d67dcc9-6cd6-487e-bb32-c96e40f252a0"
    assert isinstance(second, Record)
    assert (second.kind, second.color, second.comment) == ("bookmark", "yellow", "")


def test_thorium_writes_a_tag_a_colour_in_hex_its_own_selector_and_the_older_context(tmp_path: Path) -> None:
    value = {
        "@context": "http://www.w3.org/ns/anno.jsonld",
        "type": "AnnotationSet",
        "id": "urn:uuid:1",
        "about": {"dc:title": "A Book", "dc:publisher": ["O", "P"]},
        "items": [
            {
                "@context": "http://www.w3.org/ns/anno.jsonld",
                "id": "urn:uuid:5d67dcc9-6cd6-487e-bb32-c96e40f252a0",
                "type": "Annotation",
                "created": "2025-01-29T20:23:23.274Z",
                "body": {
                    "type": "TextualBody",
                    "value": "",
                    "color": "#FEF3BD",
                    "tag": "exam",
                    "highlight": "strikethrough",
                },
                "target": {"source": "c1.html", "selector": [{"type": "CfiSelector", "value": "/4/2"}]},
            }
        ],
    }
    (record,) = read(write(tmp_path / "a.annotation", value))
    assert isinstance(record, Record)
    assert record.anchor is not None
    assert record.anchor.opaque == ({"type": "CfiSelector", "value": "/4/2"},)
    assert record.anchor.work == {"title": "A Book", "publisher": "O, P"}
    assert (record.color, record.style, record.tags) == ("yellow", "strikethrough", ("exam",))


def test_the_zip_and_the_epub_that_embeds_them(tmp_path: Path) -> None:
    for name, member in (("a.annotations", "annotations.json"), ("b.epub", "META-INF/my.annotation")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("mimetype", "application/epub+zip")
            archive.writestr(member, json.dumps(FROM_A_READER))
        assert len(read(tmp_path / name)) == 2
    with zipfile.ZipFile(tmp_path / "none.epub", "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
    with pytest.raises(UnreadableFile, match=r"no annotations\.json"):
        read(tmp_path / "none.epub")


def test_pages_collections_lists_and_one_annotation(tmp_path: Path) -> None:
    one = {"type": "Annotation", "id": "https://x.example/1", "target": "https://page.example/a#top", "bodyValue": "hm"}
    two = {
        "type": ["Annotation"],
        "target": {"source": {"id": "https://page.example/b"}, "selector": XPATH},
        "body": [],
    }
    page = {"type": "AnnotationPage", "items": [one, two], "next": "https://x.example/page2"}
    collection = {"type": "AnnotationCollection", "first": page}
    for value, places in (
        (one, ["the annotation"]),
        ([one, two], ["[0]", "[1]"]),
        (page, ["items[0]", "items[1]", "next"]),
        (collection, ["first[0].items[0]", "first[0].items[1]", "first[0].next"]),
    ):
        found = read(write(tmp_path / "x.json", value))
        assert [each.where for each in found] == places
        record = found[0]
        assert isinstance(record, Record)
        assert record.anchor is not None
        assert (record.comment, record.anchor.work_id) == ("hm", "https://page.example/a")
    remote = {"type": "AnnotationCollection", "first": "https://x.example/page1"}
    (skipped,) = read(write(tmp_path / "x.json", remote))
    assert isinstance(skipped, Skipped)
    assert "nothing is fetched" in skipped.reason


def test_bodies_as_the_web_has_them(tmp_path: Path) -> None:
    value = {
        "type": "Annotation",
        "target": [{"source": "c1", "selector": [{"type": "CssSelector", "refinedBy": QUOTE}]}, "x"],
        "body": [
            "https://elsewhere.example/comment",
            {"type": "TextualBody", "value": {"value": "eins", "language": "de"}},
            {"type": "TextualBody", "value": "two", "purpose": "commenting"},
            {"type": "TextualBody", "value": "tag", "purpose": "tagging"},
        ],
        "creator": ["someone"],
    }
    (record,) = read(write(tmp_path / "x.json", value))
    assert isinstance(record, Record)
    assert (record.comment, record.tags, record.creator) == ("eins\n\ntwo", ("tag",), "someone")
    assert record.anchor is not None
    assert record.anchor.quote == Quote("q")
    assert record.anchor.position is None


def test_a_bad_record_is_skipped_with_its_place_and_the_rest_comes_in(tmp_path: Path) -> None:
    good = FROM_A_READER["items"][0]
    bad = [3, {}, {"target": 5}, {"target": {}}, {"target": "c1", "motivation": "replying"}]
    found = read(write(tmp_path / "x.json", {"type": "AnnotationSet", "items": [*bad, good]}))
    assert [isinstance(each, Skipped) for each in found] == [True] * 5 + [False]
    assert [each.where for each in found[:5]] == [f"items[{number}]" for number in range(5)]
    for value in (
        {"type": "AnnotationSet"},
        {"type": "AnnotationSet", "items": 3},
        "Annotation",
        {"@context": "anno.jsonld"},
    ):
        with pytest.raises(UnreadableFile):
            list(READER.read(write(tmp_path / "x.json", value)))


def test_what_came_goes_out_as_it_stood_but_for_what_a_person_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "set.json", FROM_A_READER)
    with library() as (store, _):
        take(store, path)
        exported = exported_set(store)
        assert exported["items"] == FROM_A_READER["items"]
        assert exported["about"] == FROM_A_READER["about"]

        item_id = "5d67dcc9-6cd6-487e-bb32-c96e40f252a0"
        store.edit(EditHighlight(item_id, comment="another", color="red", remove_tags=("later",)))
        first, second = exported_set(store)["items"]
        assert second == FROM_A_READER["items"][1]
        wanted = json.loads(json.dumps(FROM_A_READER["items"][0]))
        wanted["body"] |= {"value": "another", "color": "pink", "tags": ["teacher"]}
        wanted["crdtSync"] = {"color": "red"}
        wanted["modified"] = first["modified"]
        assert first == wanted


def test_import_twice_and_of_the_changed_file(tmp_path: Path) -> None:
    path = write(tmp_path / "set.json", FROM_A_READER)
    with library() as (store, _):
        assert len(take(store, path).added) == 2
        state = store.state_vector()
        assert len(take(store, path).there) == 2
        assert store.state_vector() == state
        changed = json.loads(json.dumps(FROM_A_READER))
        changed["items"][0]["body"]["value"] = "thought again"
        changed["items"][0]["modified"] = "2025-02-01T00:00:00Z"
        del changed["items"][1]
        report = take(store, write(tmp_path / "set2.json", changed))
        assert (len(report.changed), report.there) == (1, ())
        assert len(items(store)) == 2  # a file that lacks one deletes nothing
        assert take(store, path).there  # the older file says nothing new
        assert {getattr(item, "comment", None) for item in items(store).values()} == {"thought again", ""}


@settings(max_examples=30, deadline=None)
@given(edits=shelves())
def test_exports_keep_to_the_schema_of_the_specification(edits: list[Edit]) -> None:
    with library(*edits) as (store, _):
        value = exported_set(store)
    SCHEMA.validate(value)
    assert not SCHEMA.is_valid({**value, "about": None})


def test_the_schema_can_fail() -> None:
    for item in ({}, {"id": "urn:x:1", "type": "Annotation", "created": "yesterday", "target": {"source": "c1"}}):
        assert not SCHEMA.is_valid({**FROM_A_READER, "items": [item]})
    SCHEMA.validate(FROM_A_READER)


def test_a_set_is_about_one_work_and_has_no_trash() -> None:
    one, two = (AddHighlight(Anchor.verse("Gen.1.1", work=work), id=work) for work in ("KJV", "ASV"))
    with library(one, two, Trash("KJV")) as (store, _):
        with pytest.raises(InvalidEdit, match="ASV, KJV"):
            writer_for("epub").encode(foreign.entries(store))
        encoded = writer_for("epub").encode(foreign.entries(store, "KJV"))
        assert encoded.items == 0
        assert [each.where for each in encoded.skipped] == ["KJV"]
        encoded = writer_for("epub").encode(foreign.entries(store, "ASV"))
        assert encoded.items == 1
        with zipfile.ZipFile(io.BytesIO(encoded.data)) as archive:
            assert archive.namelist() == ["annotations.json"]


def exported_set(store: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(writer_for("epub-json").encode(foreign.entries(store)).data)
    return value


def test_nothing_of_a_moved_highlight_stays_where_it_was(tmp_path: Path) -> None:
    path = write(tmp_path / "set.json", FROM_A_READER)
    moved = json.loads(json.dumps(FROM_A_READER))
    moved["items"][0]["target"]["source"] = "OEBPS/c9.xhtml"
    moved["items"][0]["modified"] = "2025-02-01T00:00:00Z"
    with library() as (store, _):
        take(store, path)
        take(store, write(tmp_path / "moved.json", moved))
        found = items(store)["5d67dcc9-6cd6-487e-bb32-c96e40f252a0"]
        assert isinstance(found, Highlight)
        assert found.anchor.source == "OEBPS/c9.xhtml"
        assert exported_set(store)["items"] == [moved["items"][0], FROM_A_READER["items"][1]] or exported_set(store)[
            "items"
        ] == [FROM_A_READER["items"][1], moved["items"][0]]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("#FEF3BD", "yellow"),
        ("#ffc0cb", "pink"),
        ("#E63C3C", "red"),
        ("#fa5", "orange"),
        ("#C5E1A5", "green"),
        ("#bbdefb", "blue"),
        ("#D1C4E9", "purple"),
        ("#888", "gray"),
        ("#00ffff", "cyan"),
        ("mauve", "mauve"),
    ],
)
def test_colours_in_hex_have_the_name_of_their_hue(given: str, name: str) -> None:
    assert hex_name(given) == name
