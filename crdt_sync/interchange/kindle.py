"""A Kindle's `My Clippings.txt`: highlights, notes and bookmarks of all books, one after the other, in the order made.

    Title of the Book (Author, Ann)
    - Your Highlight on page 12 | location 180-182 | Added on Sunday, 9 August 2026 14:03:07

    The passage.
    ==========

The device only appends. A passage that was marked again, longer or shorter, is there twice, and both come in; a note
is a record of its own, and is joined here to the highlight that it lies in. What was deleted on the device is still in
the file, and a file may be a part of what there was: nothing is ever deleted for what it does not hold.

The file is read piece by piece, twice: its passages are never in memory together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crdt_sync.document.anchors import Anchor, Quote
from crdt_sync.interchange.bounds import encoding_of
from crdt_sync.interchange.kindle_clippings import SEPARATOR, Clipping, clippings
from crdt_sync.interchange.kindle_languages import LANGUAGES, Header, parse_header
from crdt_sync.interchange.kindle_survey import Note, Survey, survey
from crdt_sync.interchange.records import Item, Record, Skipped

__all__ = ["READER", "Kindle", "split_title"]

LOCATION = "KindleLocation"
"""The `type` of the foreign selector that holds `start` and `end`."""
PAGE = "KindlePage"
"""The `type` of the one that holds `page`, where there are no locations."""
_LIMIT = re.compile(r"<[^<>=/]{10,150}>")
"""What stands in the place of a passage once more was marked than the publisher allows; in whatever language."""
_SURROGATE = re.compile("[\ud800-\udfff]")


class Kindle:
    """`My Clippings.txt` (`FormatReader`)."""

    name = "kindle"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Say whether the file begins with clippings, in a language that we know or in another."""
        encoding = encoding_of(head)
        lines = head.decode(encoding, "replace").splitlines()
        if any(parse_header(line.strip()) is not None for line in lines[:8]) and any(map(SEPARATOR.fullmatch, lines)):
            return True
        return path.name.lower() == "my clippings.txt" and any(map(SEPARATOR.fullmatch, lines))

    def read(self, path: Path) -> Iterator[Item]:
        """Yield records in the file's order; a note stands with its highlight, else by itself."""
        return _records(path, survey(path))


READER = Kindle()


def _records(path: Path, found: Survey) -> Iterator[Item]:
    for clipping in clippings(path):
        if clipping.number in found.taken:
            continue
        if (line := found.repeated.get(clipping.number)) is not None:
            yield Skipped(clipping.where, f"it is the same as what stands in line {line}")
            continue
        header = clipping.parsed
        if (reason := _unusable(clipping, header)) is not None:
            yield Skipped(clipping.where, reason)
        elif header is not None:
            yield _record(clipping, header, found.notes.get(clipping.number, []))


def _unusable(clipping: Clipping, header: Header | None) -> str | None:
    """Say why a clipping cannot come in, or None."""
    if _SURROGATE.search(clipping.title + clipping.header + (clipping.text or "")):
        return "it is not text in UTF-8: the file is damaged there, or was saved in another encoding"
    if not clipping.header:
        return "it has no second line that says what it is and where it stands"
    if header is None:
        known = ", ".join(language.code for language in LANGUAGES)
        return f"its second line is in no language that is known ({known}): {clipping.header[:200]}"
    if clipping.text is None:
        return "it is longer than a record may be"
    if header.kind != "bookmark" and _LIMIT.fullmatch(clipping.text):
        return "the publisher's limit was reached, and the Kindle wrote no passage"
    if header.location is None and header.page is None and (header.kind != "highlight" or not clipping.text):
        return "it says neither where it stands nor what it marks"
    return None


def _record(clipping: Clipping, header: Header, notes: list[Note]) -> Record:
    title, author = split_title(clipping.title)
    text = clipping.text or ""
    is_highlight = header.kind == "highlight"
    original: dict[str, Any] = {"title": clipping.title, "header": clipping.header}
    if notes:
        original["notes"] = [{"header": note.header, "text": note.text} for note in notes]
    if not is_highlight and text:
        original["text"] = text
    return Record(
        Anchor(
            work={"title": title} if author is None else {"title": title, "author": author},
            quote=Quote(text) if is_highlight and text else None,
            opaque=_place(header),
            page=header.page,
        ),
        clipping.where,
        kind="highlight" if is_highlight else "bookmark",
        comment=_comment(notes) if is_highlight else text,
        created_at_ms=header.added_at_ms,
        updated_at_ms=max((note.added_at_ms for note in notes if note.added_at_ms is not None), default=None),
        original=original,
    )


def _place(header: Header) -> tuple[Any, ...]:
    if header.location is not None:
        return ({"type": LOCATION, "start": header.location[0], "end": header.location[1]},)
    return () if header.page is None else ({"type": PAGE, "page": header.page},)


def _comment(notes: list[Note]) -> str:
    """Return the notes of a highlight, in the file's order, but for those that another one holds, as one that grew."""
    texts = list(dict.fromkeys(note.text for note in notes))
    return "\n\n".join(text for text in texts if not any(text != other and text in other for other in texts))


def split_title(line: str) -> tuple[str, str | None]:
    """Return a title and what stands in parentheses after it, the author; those in the author's name are part of it."""
    line = line.strip()
    if line.endswith((")", "）")):
        depth = 0
        for at in range(len(line) - 1, 0, -1):
            depth += (line[at] in ")）") - (line[at] in "(（")
            if depth == 0:
                author = line[at + 1 : -1].strip()
                return (line[:at].strip(), author) if author and line[:at].strip() else (line, None)
    return line, None
