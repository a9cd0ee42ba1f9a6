"""What is read: a chapter of the King James Version, or a text file; and where in it an anchor stands."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pythonbible

from crdt_sync import Anchor, Position, Quote, Text, VerseRange
from crdt_sync.document.verses import BOOKS
from crdt_sync.errors import InvalidEdit

KING_JAMES = "Bible.KJV"


@dataclass(frozen=True, slots=True)
class Book:
    """A book: its OSIS code, its title, and how many chapters it has."""

    number: int
    code: str
    title: str
    chapters: int


@cache
def books() -> tuple[Book, ...]:
    """Return the 66 books in their order."""
    codes = list(BOOKS)[:66]
    known = [book for book in pythonbible.Book if book.value <= len(codes)]
    return tuple(
        Book(book.value, code, book.title, pythonbible.get_number_of_chapters(book))
        for code, book in zip(codes, sorted(known, key=lambda book: book.value), strict=True)
    )


@dataclass(frozen=True, slots=True)
class Passage:
    """A text to read. All offsets are code points of `text`; `verses` are where its verses start, if it has any."""

    work: Mapping[str, str]
    source: str
    heading: str
    text: str
    verses: tuple[int, ...] = ()

    def anchor(self, start: int, end: int) -> Anchor:
        """Return the anchor of `text[start:end]`: its source, the words with those around them, and the position.

        In a chapter the source is the verse or verses, and the position is counted from the first of them.
        """
        first, last = self._verse_at(start), self._verse_at(end - 1)
        source, base = self.source, 0
        if self.verses:
            base = self.verses[first]
            source = f"{self.source}.{first + 1}" + (f"-{self.source}.{last + 1}" if last > first else "")
        anchor = Text(self.text).anchor(start, end, work=self.work, source=source, heading=self.heading)
        return replace(anchor, position=Position(start - base, end - base))

    def place(self, anchor: Anchor) -> tuple[int, int] | None:
        """Return where an anchor stands in this text, or None if that is not sure."""
        bounds = self._bounds(anchor.source or "")
        if bounds is None or not self._is_of(anchor):
            return None
        low, high = bounds
        if anchor.quote is None or not anchor.quote.exact:
            return (low, high) if self.verses else None
        here = anchor.position and Position(low + anchor.position.start, low + anchor.position.end)
        for text, base, moved in (
            (self.text, 0, replace(anchor, position=here)),
            (self.text[low:high], low, replace(anchor, quote=Quote(anchor.quote.exact))),  # its verses alone
        ):
            found = Text(text).resolve(moved)
            if (
                found.start is not None
                and found.end is not None
                and low <= base + found.start <= base + found.end <= high + 1  # with the end of the line
            ):
                return base + found.start, base + found.end
        return None

    def _is_of(self, anchor: Anchor) -> bool:
        """Whether an anchor stands in this work, or in another edition of it."""
        own = Anchor(work=self.work, source=self.source)
        return anchor.work_id == own.work_id or anchor.work.get("title") == self.work["title"]

    def _bounds(self, source: str) -> tuple[int, int] | None:
        if source == self.source:
            return 0, len(self.text)
        try:
            verses = VerseRange.parse(source)
        except InvalidEdit:
            return None
        chapters = {replace(each, verse=None).osis for each in (verses.first, verses.last)}
        first, last = verses.first.verse, verses.last.verse
        if chapters != {self.source} or first is None or last is None or not 1 <= first <= last <= len(self.verses):
            return None
        return self.verses[first - 1], self.verses[last] - 1 if last < len(self.verses) else len(self.text)

    def _verse_at(self, offset: int) -> int:
        return max(bisect_right(self.verses, offset) - 1, 0)


def chapter(book: Book, number: int) -> Passage:
    """Return a chapter, a line for each verse."""
    lines, starts, offset = [], [], 0
    known = pythonbible.Book(book.number)
    for verse in range(1, pythonbible.get_number_of_verses(known, number) + 1):
        text = pythonbible.get_verse_text(
            pythonbible.get_verse_id(known, number, verse), version=pythonbible.Version.KING_JAMES
        )
        lines.append((text or "").strip())
        starts.append(offset)
        offset += len(lines[-1]) + 1
    return Passage(
        {"id": KING_JAMES, "title": "King James Version"},
        f"{book.code}.{number}",
        f"{book.title} {number}",
        "\n".join(lines),
        tuple(starts),
    )


def text_file(path: Path) -> Passage:
    """Return a text file, whose lines end in one character each. Raises `OSError`, or `ValueError` if it is no text."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not text in UTF-8 ({error.reason} at byte {error.start})") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text or not text.strip():
        raise ValueError(f"{path.name} holds no text to read")
    digest = hashlib.sha256(content).hexdigest()
    return Passage({"hash": f"sha256:{digest}", "title": path.stem}, path.name, path.stem, text)
