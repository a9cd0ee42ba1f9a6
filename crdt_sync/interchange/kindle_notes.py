"""Which highlight each note of a Kindle belongs to. The file does not say; it only lists both.

A note stands where its highlight ends, on some devices where it starts; else somewhere in it, next to it in the file.
Of several such highlights it belongs to the one that is nearest in the file. What is kept in memory is the notes, and
of the highlights those that one of them may belong to.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from crdt_sync.errors import UnreadableFile
from crdt_sync.interchange.kindle_clippings import clippings
from crdt_sync.interchange.kindle_languages import Header

__all__ = ["Note", "Notes", "notes_of"]

MAX_NOTE_CHARACTERS = 64 * 1024 * 1024
"""Of all notes together."""

_Key: TypeAlias = "tuple[str, str, int]"
"""A place of a book: its title, `location` or `page`, and the number."""


@dataclass(slots=True)
class Note:
    """A note, and the numbers in the file of the highlights before and after it that its place lies in."""

    number: int
    header: str
    text: str
    added_at_ms: int | None
    keys: tuple[_Key, ...]
    before: int | None = None
    after: int | None = None


@dataclass(slots=True)
class Notes:
    """The notes of a file that belong to a highlight, by its number, and the numbers of all of these notes."""

    of_highlight: dict[int, list[Note]] = field(default_factory=dict)
    taken: set[int] = field(default_factory=set)


def notes_of(path: Path) -> Notes:
    """Go through the file, twice if there are notes. Raises `UnreadableFile`."""
    listed = _listed(path)
    result = Notes()
    if not listed:
        return result
    ends, starts = _near(path, listed)
    for note in listed.values():
        highlight = next(
            (
                found
                for key in note.keys
                for at in (ends, starts)
                if (found := _nearest(at.get(key, ()), note.number)) is not None
            ),
            None,
        )
        if highlight is None:
            highlight = _nearest([each for each in (note.before, note.after) if each is not None], note.number)
        if highlight is not None:
            result.of_highlight.setdefault(highlight, []).append(note)
            result.taken.add(note.number)
    return result


def _listed(path: Path) -> dict[int, Note]:
    listed: dict[int, Note] = {}
    size = 0
    for clipping in clippings(path):
        if not clipping.text or (header := clipping.parsed) is None or header.kind != "note":
            continue
        size += len(clipping.text)
        if size > MAX_NOTE_CHARACTERS:
            raise UnreadableFile(f"{path} has notes of more than {MAX_NOTE_CHARACTERS:,} characters together")
        span = _span(header)
        keys: tuple[_Key, ...] = () if span is None else ((clipping.title, span[0], span[2]),)
        listed[clipping.number] = Note(clipping.number, clipping.header, clipping.text, header.added_at_ms, keys)
    return listed


def _near(path: Path, listed: dict[int, Note]) -> tuple[dict[_Key, list[int]], dict[_Key, list[int]]]:
    """Return the highlights that end and that start where a note stands, and fill in those around each note."""
    wanted = {key for note in listed.values() for key in note.keys}
    titles = {title for title, _, _ in wanted}
    ends: dict[_Key, list[int]] = {}
    starts: dict[_Key, list[int]] = {}
    last: dict[str, tuple[int, tuple[str, int, int]]] = {}  # the last highlight of each book
    waiting: dict[str, list[Note]] = {}  # notes of each book since then
    for clipping in clippings(path):
        title = clipping.title
        if title not in titles or (header := clipping.parsed) is None or (span := _span(header)) is None:
            continue
        if header.kind == "highlight" and clipping.text:
            for note in waiting.pop(title, ()):
                note.after = clipping.number if _holds(span, note) else None
            last[title] = clipping.number, span
            for at, place in ((ends, span[2]), (starts, span[1])):
                if (key := (title, span[0], place)) in wanted:
                    at.setdefault(key, []).append(clipping.number)
        elif (found := listed.get(clipping.number)) is not None:
            waiting.setdefault(title, []).append(found)
            if title in last and _holds(last[title][1], found):
                found.before = last[title][0]
    return ends, starts


def _span(header: Header) -> tuple[str, int, int] | None:
    """Return the places that it spans: locations, or pages where it has none, as in a PDF."""
    if header.location is not None:
        return ("location", *header.location)
    if header.page is None:
        return None
    first, _, last = header.page.partition("-")
    return ("page", int(first), int(last or first)) if first.isdigit() and (last or "0").isdigit() else None


def _holds(span: tuple[str, int, int], note: Note) -> bool:
    return any(unit == span[0] and span[1] <= place <= span[2] for _, unit, place in note.keys)


def _nearest(numbers: list[int] | tuple[()], to: int) -> int | None:
    """Return the nearest of numbers in order; of two as near, the one before: a note follows its highlight."""
    at = bisect_left(numbers, to)
    around = numbers[max(at - 1, 0) : at + 1]
    return min(around, key=lambda number: abs(number - to), default=None)
