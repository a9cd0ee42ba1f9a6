"""KOReader's sidecars in both schemas, and those that we write."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crdt_sync.document import Anchor, Highlight, Note
from crdt_sync.document.anchors import Quote
from crdt_sync.document.imported import Imported
from crdt_sync.errors import InvalidEdit, UnreadableFile
from crdt_sync.interchange import lua
from crdt_sync.interchange.koreader import READER, WRITER
from crdt_sync.interchange.records import Entry, Record
from tests.interchange.devices import KOREADER, KOREADER_OLD, read
from tests.interchange.test_lua import loaded_by_lua


def sidecar(folder: Path, text: str = KOREADER, name: str = "metadata.epub.lua") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_the_newer_schema(tmp_path: Path) -> None:
    (first, mark, last), skipped = read(READER, sidecar(tmp_path))
    assert not skipped
    assert first.anchor is not None
    assert first.anchor.work == {
        "hash": "0123456789abcdef0123456789abcdef", "title": "Harbour Lights", "author": "Ida Quill",
        "isbn": "9781402894626",
    }  # fmt: skip
    assert first.anchor.quote == Quote("Café lights on the water; nobody counted them.")
    assert first.anchor.opaque == (
        {
            "type": "KOReaderPosition",
            "page": "/body/DocFragment[8]/body/p[12]/text().0",
            "pos0": "/body/DocFragment[8]/body/p[12]/text().0",
            "pos1": "/body/DocFragment[8]/body/p[12]/text().57",
        },
    )
    assert (first.anchor.heading, first.anchor.page) == ("The Harbour", "42")
    assert (first.kind, first.color, first.style) == ("highlight", "green", "underline")
    assert first.comment == 'Compare "the map"\nand the list.'
    assert (first.created_at_ms, first.updated_at_ms) == (1_767_647_648_000, 1_767_682_800_000)
    assert (first.where, first.original["datetime"]) == ("annotations[1]", "2026-01-05 21:14:08")
    assert mark.anchor is not None
    assert (mark.kind, mark.anchor.quote, mark.comment) == ("bookmark", None, "")
    assert (last.color, last.style) == ("olive", "highlight")


def test_the_older_schema_where_notes_is_the_passage_and_text_the_note(tmp_path: Path) -> None:
    records, skipped = read(READER, sidecar(tmp_path, KOREADER_OLD))
    assert not skipped
    told = [(each.kind, quote(each), each.comment, each.style, each.where) for each in records]
    assert told == [
        ("highlight", "The passage, which is called notes.", "What the reader wrote, which is called text.",
         "strikethrough", "bookmarks[1]"),
        ("highlight", "Marked, and nothing said.", "", "highlight", "bookmarks[2]"),
        ("bookmark", None, "", "highlight", "bookmarks[3]"),
        ("highlight", "From before highlights had bookmarks.", "", "highlight", "highlight[9][1]"),
    ]  # fmt: skip
    assert records[0].anchor is not None
    assert (records[0].anchor.work_id, records[0].anchor.heading) == ("Older Lights", "Two")


def quote(record: Record) -> str | None:
    return record.anchor.quote.exact if record.anchor is not None and record.anchor.quote is not None else None


def test_a_migrated_file_is_read_once(tmp_path: Path) -> None:
    both = KOREADER.rstrip().removesuffix("}") + KOREADER_OLD.removeprefix("return {")
    records, _ = read(READER, sidecar(tmp_path, both))
    assert [each.where for each in records] == ["annotations[1]", "annotations[2]", "annotations[3]"]


def test_what_the_other_engine_left_comes_in_too(tmp_path: Path) -> None:
    table = {
        "annotations": [],
        "annotations_paging": [
            {"page": 3, "pos0": {"x": 1.5, "y": 2, "page": 3}, "pos1": {"x": 9, "y": 2, "page": 3}, "text": "PDF",
             "drawer": "invert", "pboxes": [{"x": 1, "y": 2, "w": 3, "h": 4}], "ext": {3: {"pos0": {"x": 1}}}}
        ],
        "doc_path": "/mnt/Papers/On Tides.pdf",
    }  # fmt: skip
    (record,), _ = read(READER, sidecar(tmp_path, lua.dumps(table)))
    assert record.anchor is not None
    assert (record.anchor.work, record.anchor.page, record.style) == ({"title": "On Tides"}, "3", "invert")
    assert lua.from_json(record.original)["ext"] == {3: {"pos0": {"x": 1}}}


def test_bad_entries_are_skipped_with_their_place(tmp_path: Path) -> None:
    table = {"annotations": [1, {"note": "of nothing"}, {"text": "fine", "drawer": "lighten"}]}
    records, skipped = read(READER, sidecar(tmp_path, lua.dumps(table)))
    assert [quote(each) for each in records] == ["fine"]
    assert [each.where for each in skipped] == ["annotations[1]", "annotations[2]"]
    old = {"bookmarks": [7], "highlight": {3: [8]}}
    records, skipped = read(READER, sidecar(tmp_path, lua.dumps(old)))
    assert not records
    assert [each.where for each in skipped] == ["highlight[3][1]", "bookmarks[1]"]


def test_two_highlights_of_one_second_and_page_stay_two(tmp_path: Path) -> None:
    entry = {"datetime": "2020-01-01 00:00:00", "pos0": {"x": 1}, "pos1": {"x": 2}}
    old = {"highlight": {3: [entry | {"text": "One."}, entry | {"text": "Two."}]}}
    records, _ = read(READER, sidecar(tmp_path, lua.dumps(old)))
    assert [quote(each) for each in records] == ["One.", "Two."]


def test_a_folder_is_its_sidecars_and_no_link_is_followed(tmp_path: Path) -> None:
    folder = tmp_path / "Harbour Lights.sdr"
    folder.mkdir()
    with pytest.raises(UnreadableFile, match="without a sidecar"):
        read(READER, folder)
    sidecar(folder)
    (folder / "metadata.pdf.lua").symlink_to("/dev/zero")
    assert len(read(READER, folder)[0]) == 3
    assert READER.recognises(folder, b"")
    assert not READER.recognises(tmp_path, b"")


def test_recognised_by_name_or_by_content(tmp_path: Path) -> None:
    assert READER.recognises(Path("metadata.epub.lua"), b"return {}")
    assert READER.recognises(Path("copy.txt"), KOREADER.encode())
    assert not READER.recognises(Path("settings.lua"), b"return {}")


def entries(path: Path) -> list[Entry]:
    """Return a file's records as a library has them after their import."""
    return [entry(record, f"id{place}") for place, record in enumerate(read(READER, path)[0])]


def entry(record: Record, item_id: str) -> Entry:
    assert record.anchor is not None
    came = Imported(
        "koreader",
        color=record.color,
        style=record.style,
        comment=record.comment,
        record_json=json.dumps(record.original),
    )
    created = record.created_at_ms or 0
    item = Highlight(
        item_id, record.anchor, record.color, record.style, (), record.comment, created, "me",
        record.updated_at_ms or created, kind=record.kind,
    )  # fmt: skip
    return Entry(item, came)


def written(listed: list[Entry]) -> Any:
    """Return what Lua makes of the sidecar that is written."""
    value = loaded_by_lua(WRITER.encode(listed).data)
    return lua.loads(WRITER.encode(listed).data, "ours") if value is None else value


def test_what_came_from_koreader_goes_back_as_it_came(tmp_path: Path) -> None:
    path = sidecar(tmp_path)
    before, after = lua.loads(path.read_bytes(), path), written(entries(path))
    for each in before["annotations"].values():  # what KOReader takes for granted is said
        if "drawer" in each:
            each.setdefault("color", "yellow")
    assert after["annotations"] == before["annotations"]
    assert after["partial_md5_checksum"] == before["partial_md5_checksum"]
    assert after["doc_props"] == {"title": "Harbour Lights", "authors": "Ida Quill"}
    assert after["annotations_externally_modified"] is True


def test_what_a_person_changed_is_in_the_sidecar_and_comes_back(tmp_path: Path) -> None:
    listed = entries(sidecar(tmp_path))
    item = listed[0].item
    assert isinstance(item, Highlight)
    listed[0] = replace(
        listed[0],
        item=replace(item, color="gray", style="strikethrough", comment="New.", updated_at_ms=1_800_000_000_000),
        notes=(Note("n", item.id, "", "A note\nof two lines.", (), 0, "me", 0),),
    )
    first = written(listed)["annotations"][1]
    assert (first["color"], first["drawer"], first["note"]) == ("gray", "strikeout", "New.\n\nA note\nof two lines.")
    assert (first["datetime"], first["datetime_updated"]) == ("2026-01-05 21:14:08", "2027-01-15 08:00:00")
    again = sidecar(tmp_path, WRITER.encode(listed).data.decode(), "metadata.again.lua")
    record = read(READER, again)[0][0]
    assert (record.color, record.style, record.comment) == ("gray", "strikethrough", "New.\n\nA note\nof two lines.")


def test_places_of_two_kinds_are_kept_apart(tmp_path: Path) -> None:
    listed = entries(sidecar(tmp_path))
    paged = Anchor(work={"hash": listed_hash(listed)}, opaque=({"type": "KOReaderPosition", "page": 7},))
    item = listed[0].item
    assert isinstance(item, Highlight)
    table = written([*listed, Entry(replace(item, id="paged", anchor=paged))])
    assert [type(each["page"]) for each in table["annotations"].values()] == [str] * 3
    assert [each["page"] for each in table["annotations_paging"].values()] == [7]


def listed_hash(listed: list[Entry]) -> str:
    item = listed[0].item
    assert isinstance(item, Highlight)
    return str(item.anchor.work["hash"])


def test_what_koreader_could_not_find_is_left_out_and_said(tmp_path: Path) -> None:
    listed = entries(sidecar(tmp_path))
    item = listed[0].item
    assert isinstance(item, Highlight)
    elsewhere = replace(item, id="elsewhere", anchor=Anchor(work=item.anchor.work, quote=Quote("only a quote")))
    trashed = replace(item, id="trashed", deleted_at_ms=1)
    alone = Note("alone", None, "", "words", (), 0, "me", 0)
    encoded = WRITER.encode([Entry(elsewhere), Entry(trashed), Entry(alone)])
    assert (encoded.items, [each.where for each in encoded.skipped]) == (0, ["elsewhere", "trashed", "alone"])
    other = replace(item, anchor=replace(item.anchor, work={"title": "Another"}))
    with pytest.raises(InvalidEdit, match="one book"):
        WRITER.encode([*listed, Entry(other)])


@pytest.mark.parametrize(
    ("color", "style", "drawn"),
    [
        ("pink", "outline", ("red", "lighten")),
        ("#123456", "wavy", ("yellow", "lighten")),
        ("olive", "invert", ("olive", "invert")),
    ],
)
def test_koreader_is_given_what_it_can_draw(tmp_path: Path, color: str, style: str, drawn: tuple[str, str]) -> None:
    listed = entries(sidecar(tmp_path))
    item = listed[0].item
    assert isinstance(item, Highlight)
    first = written([replace(listed[0], item=replace(item, color=color, style=style))])["annotations"][1]
    assert (first["color"], first["drawer"]) == drawn


def test_what_only_koreader_knows_goes_back(tmp_path: Path) -> None:
    newer = KOREADER.replace('"underscore"', '"sparkle"').replace('"green"', '"infrared"')
    first = written(entries(sidecar(tmp_path, newer)))["annotations"][1]
    assert (first["color"], first["drawer"]) == ("infrared", "sparkle")
