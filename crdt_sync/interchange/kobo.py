"""A Kobo's `KoboReader.sqlite`: table `Bookmark`, with the titles of books and chapters from table `content`.

The file is opened as one that never changes (`immutable`): nothing is written to it or beside it, and it may lie in a
folder that cannot be written. Only real tables are read, with no function, view, trigger or index of the file's own.

`Hidden` marks what was deleted on the device; that comes in as trash, so a deletion is an operation and never an
absence. The file holds what one device has, and nothing is deleted for what it does not hold.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crdt_sync.document.anchors import Anchor, Quote
from crdt_sync.errors import UnreadableFile
from crdt_sync.interchange.bounds import MAX_NUMBER, MAX_RECORD_CHARACTERS, MAX_RECORDS, opened
from crdt_sync.interchange.colors import KOBO
from crdt_sync.interchange.records import Item, Record, Skipped
from crdt_sync.interchange.times import ms_from_iso

__all__ = ["READER", "Kobo"]

POSITION = "KoboPosition"
"""The `type` of the foreign selector that holds the columns of `Bookmark` that say where it stands."""
MAX_DATABASE_BYTES = 4 * 1024 * 1024 * 1024
_MAGIC = b"SQLite format 3\0"
_PLACES = (
    "ContentID", "StartContainerPath", "StartContainerChildIndex", "StartOffset",
    "EndContainerPath", "EndContainerChildIndex", "EndOffset", "ChapterProgress",
)  # fmt: skip
_BOOKMARK = (
    "BookmarkID", "VolumeID", *_PLACES, "Text", "Annotation", "Type", "Color", "DateCreated", "DateModified", "Hidden",
    "ContextString",
)  # fmt: skip
_CONTENT = ("ContentID", "ContentType", "Title", "Attribution", "ISBN", "VolumeIndex")
_BOOK, _CHAPTER, _TABLE_OF_CONTENTS = "6", "9", "899"


class Kobo:
    """`KoboReader.sqlite` (`FormatReader`)."""

    name = "kobo"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Say whether it is a database with the tables of a Kobo; their definitions stand in the first pages."""
        return head.startswith(_MAGIC) and (path.name.lower() == "koboreader.sqlite" or b"StartContainerPath" in head)

    def read(self, path: Path) -> Iterator[Item]:
        """Yield highlights, notes and dog-ears, hidden ones as trash."""
        with opened(path, limit=MAX_DATABASE_BYTES) as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise UnreadableFile(f"{path} is no database of SQLite, as KoboReader.sqlite is")
        log = path.with_name(f"{path.name}-wal")
        if log.exists() and log.stat().st_size:
            yield Skipped(log.name, "the device was not closed properly: what is in this file only was not read")
        try:
            with closing(_connected(path)) as connection:
                yield from _records(connection, path)
        except sqlite3.Error as error:
            raise UnreadableFile(f"{path} is damaged: {error}. Copy it from the device again") from error


READER = Kobo()


def _connected(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, cached_statements=0)
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 4 * MAX_RECORD_CHARACTERS)
    for pragma in ("trusted_schema = OFF", "query_only = ON", "cell_size_check = ON", "mmap_size = 0"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


@dataclass(slots=True)
class _Titles:
    """What `content` says of a book or a chapter."""

    title: str = ""
    author: str = ""
    isbn: str = ""
    index: int = MAX_NUMBER
    """The place in the table of contents of the chapter whose title it is."""


def _records(connection: sqlite3.Connection, path: Path) -> Iterator[Item]:
    if not (columns := _columns(connection, "Bookmark", _BOOKMARK)):
        raise UnreadableFile(f"{path} is a database of something else: it has no table Bookmark")
    wanted: set[str] = set()
    for row in _rows(connection, "Bookmark", columns, path):
        wanted.update(text for name in ("VolumeID", "ContentID") if (text := _text(row.get(name))))
    titles = _titles(connection, wanted, path)
    for number, row in enumerate(_rows(connection, "Bookmark", columns, path), 1):
        yield _record(row, titles, f"Bookmark {_text(row.get('BookmarkID')) or number}")


def _columns(connection: sqlite3.Connection, table: str, known: tuple[str, ...]) -> list[str]:
    """Return which of the known columns the table stores; none of a view, a virtual table, or one that is not there."""
    found = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()
    if found is None or re.match(r"(?i)\s*CREATE\s+TABLE\b", _text(found[0])) is None:
        return []
    stored = {name for _, name, _, _, _, _, hidden in connection.execute(f"PRAGMA table_xinfo({table})") if not hidden}
    return [name for name in known if name in stored]


def _rows(connection: sqlite3.Connection, table: str, columns: list[str], path: Path) -> Iterator[dict[str, Any]]:
    """Yield a table's rows, up to a bound: a malicious file may hold one page as many."""
    listed = ", ".join(f'"{name}"' for name in columns)
    for count, row in enumerate(connection.execute(f"SELECT {listed} FROM {table} NOT INDEXED")):
        if count == MAX_RECORDS:
            raise UnreadableFile(f"{path} has more than {MAX_RECORDS:,} rows in {table}, the most that is read")
        yield dict(zip(columns, row, strict=True))


def _titles(connection: sqlite3.Connection, wanted: set[str], path: Path) -> dict[str, _Titles]:
    titles: dict[str, _Titles] = {}
    columns = _columns(connection, "content", _CONTENT)
    if "ContentID" not in columns:
        return titles
    for row in _rows(connection, "content", columns, path):
        item, kind, title = _text(row["ContentID"]), _text(row.get("ContentType")), _text(row.get("Title"))
        if kind == _TABLE_OF_CONTENTS:
            item = re.sub(r"-[0-9]+$", "", item)
        if item not in wanted:
            continue
        known = titles.setdefault(item, _Titles())
        if kind == _TABLE_OF_CONTENTS:
            index = row.get("VolumeIndex")
            place = index if isinstance(index, int) and 0 <= index < MAX_NUMBER else MAX_NUMBER - 1
            if title and place < known.index:
                known.title, known.index = title, place
        elif known.index == MAX_NUMBER and not (kind == _CHAPTER and re.search(r"[/!]|\.x?html?$", title)):
            known.title = title or known.title
        known.author = known.author or _text(row.get("Attribution"))
        known.isbn = known.isbn or _text(row.get("ISBN"))
    return titles


def _record(row: Mapping[str, Any], titles: Mapping[str, _Titles], where: str) -> Item:
    kind, text, note = _text(row.get("Type")).lower(), _text(row.get("Text")), _text(row.get("Annotation"))
    if kind == "markup":
        return Skipped(where, "it is drawn by hand, as a picture")
    if kind not in ("", "highlight", "note", "dogear"):
        return Skipped(where, f"its type is not known: {kind[:40]!r}")
    is_bookmark = kind == "dogear" or (kind == "" and not text.strip() and not note)
    place = {name: value for name in _PLACES if isinstance(value := row.get(name), str | int | float) and value != ""}
    quote = Quote(text) if text.strip() and not is_bookmark else None
    volume, content = _text(row.get("VolumeID")), _text(row.get("ContentID"))
    if not content and quote is None:
        return Skipped(where, "it says neither where it stands nor what it marks")
    chapter = titles.get(content) if content != volume else None
    return Record(
        Anchor(
            work=_work(volume, titles.get(volume, _Titles())),
            source=_source(volume, content),
            quote=quote,
            opaque=({"type": POSITION, **place},) if place else (),
            heading=(chapter.title or None) if chapter is not None else None,
        ),
        where,
        kind="bookmark" if is_bookmark else "highlight",
        color=KOBO.read(_text(row.get("Color"))),
        comment=note,
        created_at_ms=ms_from_iso(row.get("DateCreated")),
        updated_at_ms=ms_from_iso(row.get("DateModified")),
        trashed=_text(row.get("Hidden")).lower() in ("1", "true"),
        foreign_id=_text(row.get("BookmarkID")) or None,
        original={name: value for name, value in row.items() if isinstance(value, str | int | float)},
    )


def _work(volume: str, book: _Titles) -> dict[str, Any]:
    work = {"title": book.title} if book.title else {"id": volume}
    if book.author:
        work["author"] = book.author
    if re.fullmatch(r"(?:[0-9]-?){9,12}[0-9Xx]", book.isbn):
        work["isbn"] = book.isbn.replace("-", "").upper()
    if volume:
        work["volume"] = volume
    return work


def _source(volume: str, content: str) -> str | None:
    """Return the file in the book: `…#(5)OEBPS/ch5.xhtml` in an EPUB, `…!OEBPS!ch5.xhtml` in a Kobo EPUB."""
    rest = content.removeprefix(volume)
    if match := re.match(r"#\([0-9]+\)(.+)", rest):
        return match[1]
    return "/".join(part for part in rest.split("!") if part) or None if rest.startswith("!") else None


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return "" if value is None else str(value)
