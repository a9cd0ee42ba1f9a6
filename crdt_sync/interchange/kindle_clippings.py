"""Cuts a Kindle's `My Clippings.txt` into its clippings, piece by piece: a file of any size takes the same memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from crdt_sync.errors import UnreadableFile
from crdt_sync.interchange.bounds import MAX_RECORD_CHARACTERS, lines_of, opened_text
from crdt_sync.interchange.kindle_languages import Header, parse_header

__all__ = ["SEPARATOR", "Clipping", "clippings"]

SEPARATOR = re.compile(r"={10,}\s*")


@dataclass(slots=True)
class Clipping:
    """What stands between two separators. `text` is None where it is longer than any record may be."""

    number: int
    """From 0; empty ones count."""
    line: int
    """From 1, where its title stands."""
    title: str = ""
    header: str = ""
    text: str | None = ""

    @property
    def parsed(self) -> Header | None:
        """What the second line says, None if no language knows it."""
        return parse_header(self.header)

    @property
    def where(self) -> str:
        return f"line {self.line}"


def clippings(path: Path) -> Iterator[Clipping]:
    """Yield what is not empty. A byte that is no UTF-8 is a lone surrogate in it. Raises `UnreadableFile`."""
    with opened_text(path) as text:
        yield from _cut(lines_of(text, path), path)


def _cut(lines: Iterable[str], path: Path) -> Iterator[Clipping]:
    number = size = separators = 0
    clipping = Clipping(0, 1)
    body: list[str] = []
    for line_number, line in enumerate(lines, 1):
        if line.startswith("==========") and SEPARATOR.fullmatch(line):
            separators += 1
            if clipping.title or clipping.header:
                clipping.text = "".join(body).strip() if size <= MAX_RECORD_CHARACTERS else None
                yield clipping
            number += 1
            clipping, body, size = Clipping(number, line_number + 1), [], 0
        elif clipping.header:
            size += len(line)
            if size <= MAX_RECORD_CHARACTERS:
                body.append(line)
        elif stripped := line.strip().strip("\ufeff").strip():
            if not clipping.title and not _begins_with_header(stripped):
                clipping.title, clipping.line = stripped, line_number
            else:
                clipping.header = stripped
    if not separators:
        raise UnreadableFile(f"{path} is none of a Kindle's clippings: no line of ten or more = ends one")
    if clipping.title or clipping.header:
        clipping.text = "".join(body).strip() if size <= MAX_RECORD_CHARACTERS else None
        yield clipping


def _begins_with_header(line: str) -> bool:
    """Say whether the title is missing: the line is what should come second."""
    return line.startswith("-") and parse_header(line) is not None
