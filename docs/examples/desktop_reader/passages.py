"""What is read: a chapter of the King James Version, or a text file; and where in it an anchor stands."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pythonbible

from crdt_sync import Anchor, Position, Quote

KING_JAMES = "Bible.KJV"
AROUND = 32
"""How many characters before and after a quote are kept with it."""

_CODES = """
Gen Exod Lev Num Deut Josh Judg Ruth 1Sam 2Sam 1Kgs 2Kgs 1Chr 2Chr Ezra Neh Esth Job Ps Prov Eccl Song Isa Jer
Lam Ezek Dan Hos Joel Amos Obad Jonah Mic Nah Hab Zeph Hag Zech Mal Matt Mark Luke John Acts Rom 1Cor 2Cor Gal
Eph Phil Col 1Thess 2Thess 1Tim 2Tim Titus Phlm Heb Jas 1Pet 2Pet 1John 2John 3John Jude Rev
"""
_VERSES = re.compile(r"(?P<chapter>\w+\.\d+)\.(?P<first>\d+)(?:-(?P=chapter)\.(?P<last>\d+))?")


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
    codes = _CODES.split()
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
        return Anchor(
            work=self.work,
            source=source,
            quote=Quote(self.text[start:end], self.text[max(start - AROUND, 0) : start], self.text[end : end + AROUND]),
            position=Position(start - base, end - base),
            progression=start / len(self.text),
            heading=self.heading,
        )

    def place(self, anchor: Anchor) -> tuple[int, int] | None:
        """Return where an anchor stands in this text, or None if that is not sure."""
        bounds = self._bounds(anchor.source or "")
        if bounds is None or not self._is_of(anchor):
            return None
        low, high = bounds
        if anchor.quote is None or not anchor.quote.exact:
            return (low, high) if self.verses else None
        quote = anchor.quote
        if anchor.position is not None:
            start, end = low + anchor.position.start, low + anchor.position.end
            if self.text[start:end] == quote.exact:
                return start, end
        found = [at for at in _occurrences(self.text, quote.exact) if low <= at and at + len(quote.exact) <= high]
        if len(found) > 1:
            found = [
                at
                for at in found
                if self.text[:at].endswith(quote.prefix) and self.text[at + len(quote.exact) :].startswith(quote.suffix)
            ]
        return (found[0], found[0] + len(quote.exact)) if len(found) == 1 else None

    def _is_of(self, anchor: Anchor) -> bool:
        """Whether an anchor stands in this work, or in another edition of it."""
        own = Anchor(work=self.work, source=self.source)
        return anchor.work_id == own.work_id or anchor.work.get("title") == self.work["title"]

    def _bounds(self, source: str) -> tuple[int, int] | None:
        if source == self.source:
            return 0, len(self.text)
        verses = _VERSES.fullmatch(source)
        if verses is None or verses["chapter"] != self.source:
            return None
        first, last = int(verses["first"]), int(verses["last"] or verses["first"])
        if not 1 <= first <= last <= len(self.verses):
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


def _occurrences(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)
