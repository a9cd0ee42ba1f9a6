"""What can be read of a damaged library: through SQLite where it still reads, else record by record from its pages."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from zlib import crc32

from crdt_sync.document.anchors import Anchor
from crdt_sync.document.values import Highlight, Note
from crdt_sync.errors import CrdtSyncError, LibraryBusy, LibraryTooNew
from crdt_sync.storage import check
from crdt_sync.storage.aside import Aside, item_of
from crdt_sync.storage.binding import Binding, bound_to
from crdt_sync.storage.database import open_database, size_of, wal_of
from crdt_sync.storage.log import Log
from crdt_sync.storage.pages import Kind, Pages, Record, Value
from crdt_sync.storage.read_model import ReadModel
from crdt_sync.storage.versions import Kept, Versions

__all__ = ["Found", "find"]

Result = TypeVar("Result")

COPY_ATTEMPTS = 5

UPDATES = (Kind.NULL, Kind.BLOB, Kind.MAYBE_TEXT, Kind.INTEGER)
SNAPSHOTS = (Kind.NULL, Kind.INTEGER, Kind.BLOB, Kind.INTEGER, Kind.INTEGER)
WAITING = (Kind.NULL, Kind.BLOB, Kind.INTEGER)
STATE = (Kind.NULL, Kind.INTEGER, Kind.INTEGER, Kind.MAYBE_INTEGER, *(Kind.TEXT,) * 2, Kind.MAYBE_TEXT)
HIGHLIGHTS = (
    Kind.NULL, *(Kind.TEXT,) * 7, Kind.INTEGER, Kind.TEXT, Kind.INTEGER, Kind.MAYBE_INTEGER, *(Kind.TEXT,) * 2,
)  # fmt: skip
VERSIONS = (Kind.NULL, Kind.TEXT, *(Kind.INTEGER,) * 3, Kind.BLOB, Kind.INTEGER)
RESCUED = (Kind.TEXT, Kind.TEXT, Kind.TEXT)
NOTES = (
    Kind.NULL, Kind.TEXT, Kind.MAYBE_TEXT, *(Kind.TEXT,) * 2, Kind.INTEGER, Kind.TEXT, Kind.INTEGER,
    Kind.MAYBE_INTEGER, Kind.TEXT,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """What a file gave. `updates` are whole, by their checksum, in the order in which they were written.

    `items` are what the tables for queries show, `rescued` what an earlier repair had put aside, `versions` those that
    are whole by their checksum, the oldest first. `findings` say what is wrong with the file, in words; `binding` is
    None if the file belongs to nobody or that cannot be read.
    """

    updates: tuple[bytes, ...]
    items: tuple[Highlight | Note, ...]
    rescued: tuple[Highlight | Note, ...]
    edits_made: int
    binding: Binding | None
    findings: tuple[str, ...]
    versions: tuple[Kept, ...] = ()


def find(path: Path, scratch: Path, *, any_version: bool = False) -> Found:
    """Read what can be read of the library at `path`. The file itself is only read; SQLite gets a copy in `scratch`.

    Raises `LibraryBusy` if another program goes on writing it, `LibraryTooNew` unless `any_version`, and `OSError`.
    """
    copy = scratch / "copy.sqlite3"
    _copy(path, copy)
    pages = Pages.of(copy)
    updates = _updates(pages)
    if not size_of(copy):  # SQLite would make a new library of it
        finding = "only its write-ahead log is there" if size_of(wal_of(copy)) else "the file is empty"
        return _without_sqlite(pages, updates, (finding,))
    try:
        database = open_database(copy, "normal")
    except LibraryTooNew:
        if not any_version:
            raise
        return _without_sqlite(pages, updates, ("the file says that a newer version made it",))
    except CrdtSyncError as error:
        return _without_sqlite(pages, updates, (f"SQLite cannot open it: {type(error).__name__}",))
    with closing(database.connection) as connection:
        lost = _tried(lambda: check.file(connection) or check.log(Log(connection)), ["it cannot be checked"])
        torn = _tried(lambda: Versions(connection).findings(), ["the versions cannot be read"])
        versions = _tried(lambda: Versions(connection).kept(), None) if not lost and not torn else None
        wrong = [] if lost else _tried(lambda: _wrong_tables(connection), ["the tables for queries cannot be read"])
        by_sqlite: list[bytes] = _tried(lambda: _rows(connection), [])
        known = set(updates)
        updates += [update for update in by_sqlite if update not in known]
        state = _tried(lambda: _state(connection), None) or _carved_state(pages)
        items = _tried(lambda: _items(connection), None) if lost else []  # a whole log has the word
        rescued = _tried(lambda: Aside(connection).rescued(), None)
    return Found(
        updates=tuple(updates),
        items=tuple(_carved_items(pages) if items is None else items),
        rescued=tuple(_carved_rescued(pages) if rescued is None else rescued),
        binding=state[0],
        edits_made=state[1],
        findings=(*lost, *torn, *wrong),
        versions=tuple(_versions(pages) if versions is None else versions),
    )


def _without_sqlite(pages: Pages, updates: list[bytes], findings: tuple[str, ...]) -> Found:
    binding, edits_made = _carved_state(pages)
    return Found(
        tuple(updates),
        tuple(_carved_items(pages)),
        tuple(_carved_rescued(pages)),
        edits_made,
        binding,
        findings,
        tuple(_versions(pages)),
    )


def _copy(path: Path, copy: Path) -> None:
    """Copy the file and its write-ahead log as they stood at one moment."""
    for _ in range(COPY_ATTEMPTS):
        before = _stamps(path)
        for source, target in ((path, copy), (wal_of(path), wal_of(copy))):
            target.unlink(missing_ok=True)
            if source.exists():
                shutil.copyfile(source, target)
        if _stamps(path) == before:
            return
    raise LibraryBusy(f"{path} is being written; close the other program and try again")


def _stamps(path: Path) -> list[tuple[int, int]]:
    return [(each.stat().st_mtime_ns, each.stat().st_size) for each in (path, wal_of(path)) if each.exists()]


def _updates(pages: Pages) -> list[bytes]:
    """Return what the log holds, and an older log whose pages still stand: the snapshot first, then by number."""
    found: dict[bytes, tuple[int, int]] = {}
    for order, columns, data, crc in ((0, SNAPSHOTS, 2, 4), (1, UPDATES, 1, 3), (2, WAITING, 1, 2)):
        for record in pages.records(columns):
            for reading in record.readings:
                update = reading[data]
                if isinstance(update, bytes) and crc32(update) == reading[crc]:
                    found.setdefault(update, (order, record.row))
    return sorted(found, key=found.__getitem__)


def _versions(pages: Pages) -> list[Kept]:
    """Return the versions whose checksum is right, by number; the pages are read, as those below a lost tree are too.

    One that was deleted lately may stand in a freed page, and comes back.
    """
    found: dict[bytes, tuple[int, Kept]] = {}
    for record in pages.records(VERSIONS):
        for _, name, saved, highlights, notes, data, crc in record.readings:
            if isinstance(data, bytes) and crc32(data) == crc:
                kept = _tried(partial(_kept, name, saved, highlights, notes, data), None)
                if kept is not None:
                    found[data] = (record.row, kept)
    return [kept for _, kept in sorted(found.values(), key=lambda each: each[0])]


def _kept(name: Value, saved: Value, highlights: Value, notes: Value, data: bytes) -> Kept:
    return Kept(_text(name), _number(saved), _number(highlights), _number(notes), data)


def _rows(connection: sqlite3.Connection) -> list[bytes]:
    """Return what SQLite gives of the log, as far as it gets."""
    updates = []
    for table in ("snapshots", "updates", "waiting"):
        try:
            for data, crc in connection.execute(f"SELECT data, crc FROM {table}"):
                if isinstance(data, bytes) and crc32(data) == crc:
                    updates.append(data)
        except sqlite3.Error:
            continue
    return updates


def _state(connection: sqlite3.Connection) -> tuple[Binding | None, int]:
    (edits_made,) = connection.execute("SELECT edits_made FROM state").fetchone()
    return bound_to(connection), int(edits_made)


def _wrong_tables(connection: sqlite3.Connection) -> list[str]:
    found = check.read_model(Log(connection), ReadModel(connection), lambda: 0)
    return found or check.full_text(connection)


def _items(connection: sqlite3.Connection) -> list[Highlight | Note]:
    read = ReadModel(connection)
    items: list[Highlight | Note] = []
    for trashed in (False, True):
        items += [*read.highlights(trashed=trashed), *read.notes(trashed=trashed)]
    return items


def _carved_state(pages: Pages) -> tuple[Binding | None, int]:
    """Return what stands in the pages of the file's one line of state, the latest of it."""
    best: tuple[Binding | None, int] = (None, 0)
    for row in _readings(pages.records(STATE)):
        state = _tried(partial(_state_in, row), None)
        if state is not None and state[1] >= best[1]:
            best = state
    return best


def _state_in(row: Sequence[Value]) -> tuple[Binding | None, int]:
    _, made, acknowledged, _, relay, room, subject = row
    if not 0 <= _number(acknowledged) <= _number(made):
        raise ValueError("no state")
    binding = Binding(_text(relay), _text(room), None if subject is None else _text(subject))
    if "://" not in binding.relay or not binding.room:
        raise ValueError("no state")
    return binding, _number(made)


def _carved_items(pages: Pages) -> list[Highlight | Note]:
    """Return the items that stand in the pages, without tags: the latest of each."""
    latest: dict[str, Highlight | Note] = {}
    for columns, made_of in ((HIGHLIGHTS, _highlight), (NOTES, _note)):
        for row in _readings(pages.records(columns)):
            item = _tried(partial(made_of, row), None)
            if item is not None and (item.id not in latest or latest[item.id].updated_at_ms <= item.updated_at_ms):
                latest[item.id] = item
    return list(latest.values())


def _carved_rescued(pages: Pages) -> list[Highlight | Note]:
    items = []
    for _, kind, value in _readings(pages.records(RESCUED)):
        if kind in (b"Highlight", b"Note"):
            items.append(_tried(partial(_rescued_in, kind, value), None))
    return [item for item in items if item is not None]


def _rescued_in(kind: Value, value: Value) -> Highlight | Note:
    return item_of(_text(kind), _text(value))


def _highlight(row: Sequence[Value]) -> Highlight:
    _, item_id, _, _, color, style, comment, anchor, made, by, changed, deleted, kind, _ = row
    where = Anchor.from_json(json.loads(_text(anchor)))
    return Highlight(
        _text(item_id), where, _text(color), _text(style), (), _text(comment), _number(made), _text(by),
        _number(changed), None if deleted is None else _number(deleted),
        "bookmark" if kind == b"bookmark" else "highlight",
    )  # fmt: skip


def _note(row: Sequence[Value]) -> Note:
    _, item_id, of, title, text, made, by, changed, deleted, _ = row
    return Note(
        _text(item_id), None if of is None else _text(of), _text(title), _text(text), (), _number(made), _text(by),
        _number(changed), None if deleted is None else _number(deleted),
    )  # fmt: skip


def _readings(records: Iterable[Record]) -> Iterator[tuple[Value, ...]]:
    for record in records:
        yield from record.readings


def _text(value: Value) -> str:
    if not isinstance(value, bytes):
        raise ValueError("no text")
    return value.decode()


def _number(value: Value) -> int:
    if not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError("no number")
    return value


def _tried(read: Callable[[], Result], otherwise: Result) -> Result:
    """Return what `read` gives, or `otherwise` if the damage stops it."""
    try:
        return read()
    except (sqlite3.Error, CrdtSyncError, ValueError, TypeError, OverflowError):
        return otherwise
