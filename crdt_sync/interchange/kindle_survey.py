"""What of a Kindle's clippings must be known before the first record can be made: what belongs together.

The device appends a note as a record of its own and does not say whose it is. It stands where its highlight ends, on
some devices where it starts; else somewhere in it, next to it in the file. Of several highlights that end at one place
the note belongs to the one nearest in the file. A record that is there twice, word for word, is one record.

Kept in memory are the notes, a digest of each record, and four numbers of each highlight.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crdt_sync.errors import UnreadableFile
from crdt_sync.interchange.bounds import MAX_RECORDS
from crdt_sync.interchange.kindle_clippings import Clipping, clippings
from crdt_sync.interchange.kindle_languages import Header

__all__ = ["Note", "Survey", "survey"]

MAX_NOTE_CHARACTERS = 64 * 1024 * 1024
"""Of all notes together."""


@dataclass(slots=True)
class Note:
    """A note. `number` is its clipping's, `before` and `after` those of the highlights around it that it lies in."""

    number: int
    header: str
    text: str
    added_at_ms: int | None
    book: int
    place: int
    before: int | None = None
    after: int | None = None


@dataclass(slots=True)
class Survey:
    """What belongs together in a file, by the numbers of its clippings."""

    notes: dict[int, list[Note]] = field(default_factory=dict)
    """The notes of a highlight."""
    taken: set[int] = field(default_factory=set)
    """The notes that a highlight has."""
    repeated: dict[int, int] = field(default_factory=dict)
    """What is there again, and the line of the first."""


@dataclass(slots=True)
class _Highlights:
    """All highlights, in the file's order: a column for each number, 32 bytes a row."""

    book: array[int] = field(default_factory=lambda: array("q"))
    first: array[int] = field(default_factory=lambda: array("q"))
    last: array[int] = field(default_factory=lambda: array("q"))
    number: array[int] = field(default_factory=lambda: array("q"))


def survey(path: Path) -> Survey:
    """Go through the file once. Raises `UnreadableFile`."""
    found, highlights, notes = Survey(), _Highlights(), []
    seen: dict[bytes, int] = {}
    latest: dict[int, tuple[int, int, int]] = {}  # of each book the last highlight: number, first and last place
    waiting: dict[int, list[Note]] = {}  # of each book the notes since then
    size = 0
    for clipping in clippings(path):
        header = clipping.parsed
        if header is None or clipping.text is None:
            continue
        if (line := seen.setdefault(_digest(clipping, header), clipping.line)) != clipping.line:
            found.repeated[clipping.number] = line
            continue
        if len(seen) > MAX_RECORDS:
            raise UnreadableFile(f"{path} has more than {MAX_RECORDS:,} records, the most that is read")
        if header.kind == "bookmark" or not clipping.text or (span := _span(clipping, header)) is None:
            continue
        book, first, last = span
        if header.kind == "highlight":
            for note in waiting.pop(book, ()):
                note.after = clipping.number if first <= note.place <= last else None
            latest[book] = clipping.number, first, last
            for column, value in zip(
                (highlights.book, highlights.first, highlights.last, highlights.number),
                (book, first, last, clipping.number),
                strict=True,
            ):
                column.append(value)
            continue
        size += len(clipping.text)
        if size > MAX_NOTE_CHARACTERS:
            raise UnreadableFile(f"{path} has notes of more than {MAX_NOTE_CHARACTERS:,} characters together")
        note = Note(clipping.number, clipping.header, clipping.text, header.added_at_ms, book, last)
        if book in latest and latest[book][1] <= last <= latest[book][2]:
            note.before = latest[book][0]
        waiting.setdefault(book, []).append(note)
        notes.append(note)
    _join(found, notes, highlights)
    return found


def _digest(clipping: Clipping, header: Header) -> bytes:
    told = (clipping.title, header.kind, str(header.location or header.page), clipping.text or "")
    return hashlib.blake2b("\0".join(told).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _span(clipping: Clipping, header: Header) -> tuple[int, int, int] | None:
    """Return a number for the book and the places in it: locations, or pages where there are none, as in a PDF."""
    if header.location is not None:
        return hash((clipping.title, "location")), *header.location
    first, _, last = (header.page or "").partition("-")
    if not first.isdigit() or not (last or "0").isdigit():
        return None
    return hash((clipping.title, "page")), int(first), int(last or first)


def _join(found: Survey, notes: Sequence[Note], highlights: _Highlights) -> None:
    wanted = {(note.book, note.place) for note in notes}
    ends: dict[tuple[int, int], list[int]] = {}
    starts: dict[tuple[int, int], list[int]] = {}
    for at, places in ((ends, highlights.last), (starts, highlights.first)):
        for key, number in zip(zip(highlights.book, places, strict=True), highlights.number, strict=True):
            if key in wanted:
                at.setdefault(key, []).append(number)
    for note in notes:
        key = note.book, note.place
        around = [number for number in (note.before, note.after) if number is not None]
        candidates = next((numbers for numbers in (ends.get(key), starts.get(key), around) if numbers), None)
        if candidates:
            found.notes.setdefault(_nearest(candidates, note.number), []).append(note)
            found.taken.add(note.number)


def _nearest(numbers: Sequence[int], to: int) -> int:
    """Return the nearest of numbers in order; of two as near, the one before: a note follows its highlight."""
    at = bisect_left(numbers, to)
    return min(numbers[max(at - 1, 0) : at + 1], key=lambda number: abs(number - to))
