"""Readwise's CSV, as `Export` gives it: a row for each highlight (RFC 4180, UTF-8).

    Highlight,Book Title,Book Author,Amazon Book ID,Note,Color,Tags,Location Type,Location,Highlighted at,Document tags

Columns may be missing or in another order, and those of Readwise's own import (`Title`, `Author`, `Date`) are known as
well. An export may be of some books only; nothing is ever deleted for what it does not hold.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from crdt_sync.document.anchors import Anchor, Quote
from crdt_sync.document.values import Highlight
from crdt_sync.errors import UnreadableFile
from crdt_sync.interchange.bounds import encoding_of, lines_of, opened_text
from crdt_sync.interchange.colors import READWISE
from crdt_sync.interchange.records import Encoded, Entry, Item, Record, Skipped
from crdt_sync.interchange.times import iso_from_ms, ms_from_date, ms_from_iso

__all__ = ["COLUMNS", "READER", "WRITER", "Readwise", "ReadwiseWriter"]

COLUMNS = (
    "Highlight", "Book Title", "Book Author", "Amazon Book ID", "Note", "Color", "Tags", "Location Type", "Location",
    "Highlighted at", "Document tags",
)  # fmt: skip
LOCATION = "ReadwiseLocation"
"""The `type` of the foreign selector that holds `locationType` and `location`."""
_OTHER_NAMES = {"title": "Book Title", "author": "Book Author", "date": "Highlighted at", "asin": "Amazon Book ID"}
_KNOWN = {name.lower(): name for name in COLUMNS} | _OTHER_NAMES
_TIMES = range(-62_135_596_800_000, 253_402_300_800_000)


class Readwise:
    """Readwise's CSV (`FormatReader`)."""

    name = "readwise"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Say whether the first line names Readwise's columns."""
        first = head.decode(encoding_of(head), "replace").partition("\n")[0]
        return {"Highlight", "Book Title"} <= set(_header(first))

    def read(self, path: Path) -> Iterator[Item]:
        """Yield a record for each row; one without a passage is a note, of the place it names or of none."""
        with opened_text(path, newline="") as text:
            lines = lines_of(text, path)
            first = next(lines, "")
            header = _header(first)
            if "Highlight" not in header:
                raise UnreadableFile(f"{path} is no CSV of Readwise: its first line names no column Highlight")
            yield from _records(lines, header, _delimiter(first), path)


READER = Readwise()


def _records(lines: Iterator[str], header: list[str], delimiter: str, path: Path) -> Iterator[Item]:
    # strict, or a quote that is not closed would quietly swallow the rows after it
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = rows.line_num + 2
        try:
            row = next(rows, None)
        except csv.Error as error:
            if "expected after" not in str(error):  # the end of a row is not known any more
                raise UnreadableFile(f"{path} is no CSV from line {line:,} on: {error}") from None
            yield Skipped(f"line {line}", "it holds a quote that is not doubled")
            continue
        if row is None:
            return
        if row:
            yield _record(row, header, f"line {line}")


def _delimiter(line: str) -> str:
    """Return what stands between the columns; a spreadsheet that has saved the file again may have put another."""
    return max(",;\t", key=line.count)


def _header(line: str) -> list[str]:
    try:
        names = next(csv.reader([line.removeprefix("\ufeff")], delimiter=_delimiter(line)), [])
    except csv.Error:
        return []
    return [_KNOWN.get(name.strip().lower(), name.strip()) for name in names]


def _record(row: list[str], header: list[str], where: str) -> Item:
    if len(row) != len(header):
        return Skipped(where, f"it has {len(row)} fields, and the first line names {len(header)} columns")
    fields = dict(zip(header, row, strict=True))
    text, note = fields.get("Highlight", ""), fields.get("Note", "")
    has_text = bool(text.strip())
    place = _place(fields)
    if not has_text and not note.strip():
        return Skipped(where, "it has neither a highlight nor a note")
    anchor = None
    if has_text or place:
        page = fields.get("Location", "") if fields.get("Location Type", "").lower() == "page" else ""
        anchor = Anchor(work=_work(fields), quote=Quote(text) if has_text else None, opaque=place, page=page or None)
    return Record(
        anchor,
        where,
        kind="highlight" if has_text or anchor is None else "bookmark",
        color=READWISE.read(fields.get("Color")),
        tags=tuple(dict.fromkeys(tag.strip() for tag in fields.get("Tags", "").split(",") if tag.strip())),
        comment=note,
        title="" if anchor is not None else fields.get("Book Title", ""),
        created_at_ms=_time(fields.get("Highlighted at", "")),
        original={name: value for name, value in fields.items() if value},
    )


def _work(fields: Mapping[str, str]) -> dict[str, Any]:
    columns = {"title": "Book Title", "author": "Book Author", "asin": "Amazon Book ID"}
    return {name: value for name, column in columns.items() if (value := fields.get(column, "").strip())}


def _place(fields: Mapping[str, str]) -> tuple[Any, ...]:
    kind, place = fields.get("Location Type", "").strip(), fields.get("Location", "").strip()
    return ({"type": LOCATION, "locationType": kind, "location": place},) if place else ()


def _time(text: str) -> int | None:
    """Return the time that a row tells: `2020-10-05 10:15:30+00:00`, in older exports `October 5, 2020 10:15:30 AM`."""
    if (told := ms_from_iso(text)) is not None:
        return told
    for pattern in ("%B %d, %Y %I:%M:%S %p", "%B %d, %Y"):
        try:
            return ms_from_date(datetime.strptime(text.strip()[:64], pattern))
        except ValueError:
            continue
    return None


class ReadwiseWriter:
    """Readwise's CSV (`FormatWriter`). What came from Readwise keeps its location, ids and document tags.

    A tag with a comma cannot be told from two tags there: such a tag is written with a space in the comma's place.
    """

    name = Readwise.name
    suffix = ".csv"

    def encode(self, entries: Sequence[Entry]) -> Encoded:
        """Return the file."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
        writer.writeheader()
        skipped: list[Skipped] = []
        count = 0
        for entry in entries:
            if not isinstance(entry.item, Highlight):
                skipped.append(Skipped(entry.item.id, "it is a note of no highlight, and a row has one"))
            elif entry.item.is_deleted:
                skipped.append(Skipped(entry.item.id, "it is in the trash, which Readwise does not know"))
            elif entry.item.anchor.quote is None and not entry.item.comment and not entry.notes:
                skipped.append(Skipped(entry.item.id, "it has neither a passage nor a note, and a row has one"))
            else:
                writer.writerow(_row(entry, entry.item))
                count += 1
        return Encoded(text.getvalue().encode(), count, tuple(skipped))


WRITER = ReadwiseWriter()


def _row(entry: Entry, highlight: Highlight) -> dict[str, str]:
    came = entry.imported if entry.imported is not None and entry.imported.format == Readwise.name else None
    record = came.record if came is not None and came.record is not None else {}
    row = {name: value for name in COLUMNS if isinstance(value := record.get(name), str)}
    anchor = highlight.anchor
    for name, column in (("title", "Book Title"), ("author", "Book Author"), ("asin", "Amazon Book ID")):
        if isinstance(value := anchor.work.get(name), str):
            row.setdefault(column, value)
    row.setdefault("Book Title", anchor.work_id)
    kind, place = _located(anchor)
    row |= {"Location Type": kind, "Location": place} if place else {}
    row["Highlight"] = anchor.quote.exact if anchor.quote is not None else ""
    notes = [highlight.comment, *(note.text for note in entry.notes if not note.is_deleted)]
    row["Note"] = "\n\n".join(text for text in notes if text)
    row["Color"] = READWISE.write(highlight.color)
    row["Tags"] = ", ".join(tag.replace(",", " ") for tag in highlight.tags)
    if _time(row.get("Highlighted at", "")) != highlight.created_at_ms and highlight.created_at_ms in _TIMES:
        row["Highlighted at"] = iso_from_ms(highlight.created_at_ms, separator=" ", zone="+00:00")
    return row


def _located(anchor: Anchor) -> tuple[str, str]:
    for each in anchor.opaque:
        if isinstance(each, Mapping) and each.get("type") == LOCATION:
            return str(each.get("locationType", "")), str(each.get("location", ""))
    return ("page", anchor.page) if anchor.page else ("", "")
