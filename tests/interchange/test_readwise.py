"""Readwise's CSV, there and back."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.document import Anchor, Highlight, Note
from crdt_sync.document.anchors import Quote
from crdt_sync.document.imported import Imported
from crdt_sync.errors import UnreadableFile
from crdt_sync.interchange.readwise import COLUMNS, READER, WRITER
from crdt_sync.interchange.records import Entry, Record, Skipped
from tests.interchange.devices import READWISE, read

HEADER = ",".join(COLUMNS) + "\n"


def taken(folder: Path, text: str, encoding: str = "utf-8") -> tuple[list[Record], list[Skipped]]:
    path = folder / "readwise.csv"
    path.write_bytes(text.encode(encoding))
    return read(READER, path)


def test_rows_are_records(tmp_path: Path) -> None:
    (first, second, of_the_book), skipped = taken(tmp_path, READWISE)
    assert not skipped
    assert first.anchor is not None
    assert first.anchor.work == {"title": "Harbour Lights", "author": "Ida Quill", "asin": "B00X"}
    assert first.anchor.quote == Quote('A passage\nin two lines, with "quotes".')
    assert (first.anchor.page, first.color, first.tags, first.comment) == ("12", "blue", ("sea", "night"), "A thought")
    assert first.anchor.opaque == ({"type": "ReadwiseLocation", "locationType": "page", "location": "12"},)
    assert (first.created_at_ms, first.original["Document tags"]) == (1_786_370_587_000, "novels")
    assert second.anchor is not None
    assert (second.anchor.page, second.color, second.where) == (None, "yellow", "line 4")
    assert (of_the_book.anchor, of_the_book.title) == (None, "Harbour Lights")
    assert of_the_book.comment == "Of the whole book"


def test_columns_may_be_few_in_another_order_or_of_the_import(tmp_path: Path) -> None:
    text = "Author;Title;Highlight;Date\nIda;Lights;A; b, c.;\n"
    records, skipped = taken(tmp_path, text)
    assert (records, [each.where for each in skipped]) == ([], ["line 2"])
    (record,), _ = taken(tmp_path, 'Date;Title;Highlight\n"October 5, 2020 10:15:30 AM";Lights;A, b.\n')
    assert record.anchor is not None
    assert (record.anchor.work, record.anchor.quote) == ({"title": "Lights"}, Quote("A, b."))
    assert record.created_at_ms == 1_601_892_930_000


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    assert taken(tmp_path, READWISE, encoding) == taken(tmp_path, READWISE)
    assert READER.recognises(Path("x"), READWISE.encode(encoding))
    assert not READER.recognises(Path("readwise.csv"), b"Title,Text\n")


def test_bad_rows_cost_themselves(tmp_path: Path) -> None:
    rows = 'Good,T,,,,,,,,,\n"She said "no" to it",T,,,,,,,,,\nshort,T\n\n,T,,,,,,,,,\nLast,T,,,,,,,,when?,\n'
    records, skipped = taken(tmp_path, HEADER + rows)
    assert [each.anchor and each.anchor.quote for each in records] == [Quote("Good"), Quote("Last")]
    assert [each.where for each in skipped] == ["line 3", "line 4", "line 6"]
    assert records[1].created_at_ms is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "names no column Highlight"),
        ("Title,Text\na,b\n", "names no column Highlight"),
        (HEADER + 'Good,T,,,,,,,,,\n"never closed,T,,,,,,,,,\nA,T,,,,,,,,,\n', "from line 3 on"),
        (HEADER + '"' + "x\n" * 100_000, "from line 2 on"),
    ],
)
def test_what_is_no_csv_of_readwise(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UnreadableFile, match=told):
        taken(tmp_path, text)


def entry(record: Record) -> Entry:
    assert record.anchor is not None
    came = Imported(
        "readwise",
        color=record.color,
        tags=record.tags,
        comment=record.comment,
        record_json=json.dumps(record.original),
    )
    created = record.created_at_ms or 0
    item = Highlight("h", record.anchor, record.color, record.style, record.tags, record.comment, created, "", created)
    return Entry(item, came)


def test_what_came_from_readwise_goes_back_as_it_came(tmp_path: Path) -> None:
    records, _ = taken(tmp_path, READWISE)
    encoded = WRITER.encode([entry(record) for record in records[:2]])
    before = list(csv.DictReader(io.StringIO(READWISE)))[:2]
    before[1]["Color"] = "yellow"
    after = list(csv.DictReader(io.StringIO(encoded.data.decode(), newline="")))
    assert after == before
    assert (encoded.items, encoded.skipped) == (2, ())


def test_what_has_no_row_is_told(tmp_path: Path) -> None:
    records, _ = taken(tmp_path, READWISE)
    known = entry(records[0])
    assert isinstance(known.item, Highlight)
    mark = replace(known.item, id="mark", anchor=Anchor(source="c.xhtml"), comment="")
    trashed = replace(known.item, id="trashed", deleted_at_ms=1)
    encoded = WRITER.encode([Entry(Note("alone", None, "", "w", (), 0, "", 0)), Entry(trashed), Entry(mark)])
    assert (encoded.items, [each.where for each in encoded.skipped]) == (0, ["alone", "trashed", "mark"])


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
tags = st.lists(st.text("abc é漢", min_size=1, max_size=5).map(str.strip).filter(bool), max_size=3, unique=True)


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip),
    words, words.map(str.strip), tags, st.integers(-(10**13), 10**14), st.sampled_from(["red", "blue", "own colour"]),
)  # fmt: skip
def test_any_highlight_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    quote: str,
    comment: str,
    title: str,
    tag_list: list[str],
    at_ms: int,
    color: str,
) -> None:
    anchor = Anchor(work={"title": title} if title else {}, quote=Quote(quote), page="xii")
    item = Highlight("h", anchor, color, "highlight", tuple(tag_list), comment, at_ms, "", at_ms)
    path = tmp_path_factory.mktemp("csv") / "readwise.csv"
    path.write_bytes(WRITER.encode([Entry(item)]).data)
    (record,), skipped = read(READER, path)
    assert not skipped
    assert record.anchor is not None
    assert (record.anchor.quote, record.anchor.work, record.anchor.page) == (Quote(quote), anchor.work, "xii")
    kept = comment if comment.strip() else ""
    assert (record.comment.strip() and record.comment, record.color) == (kept, color)
    assert (record.tags, record.created_at_ms) == (tuple(tag_list), at_ms)
