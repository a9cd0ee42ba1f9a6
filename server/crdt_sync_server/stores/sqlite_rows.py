"""What the rows of the relay's file mean, and every change of them. Each function runs in its caller's transaction.

    rooms      one record each: which parts of its snapshot are valid, through which position, and what is stored
    updates    the log; rows of a room at or below `through` of its record are waste
    snapshots  the segments; those of a room outside `first_part ≤ part < end_part` of its record are waste
    waste      what is to be erased: parts of a room, and its log up to a position

So a snapshot is written beside the valid one, part after part, and the change of one record puts it in its place. What
is begun to be written is in `waste` from its first transaction on and leaves it with that change, in which what was
valid before takes its place there. A crash at any moment leaves waste alone, and waste is listed. Parts of a room are
numbered on and on. Their `through` was read by version 2 alone.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from crdt_sync_server.errors import RoomDeleted, StoreError, Superseded
from crdt_sync_server.ports import Stored

__all__ = [
    "MISCOUNTS",
    "PIECE_BYTES",
    "PIECE_ROWS",
    "Staged",
    "append",
    "bury",
    "first_waste",
    "load",
    "pieces",
    "put_in_place",
    "stage",
    "sweep",
]

PIECE_BYTES = 1024 * 1024
"""No transaction of a long work writes or erases more than this, or one segment: others wait for it."""
PIECE_ROWS = 1_000
EVER = 2**63 - 1
"""Beyond every part and position."""

APPEND = """
INSERT INTO rooms (room, owner, bytes, updates, changed_ms) VALUES (?, ?, ?, 1, ?)
ON CONFLICT (room) DO UPDATE
SET bytes = bytes + excluded.bytes, updates = updates + 1, changed_ms = excluded.changed_ms WHERE deleted_ms IS NULL
"""
PUT_IN_PLACE = """
INSERT INTO rooms (room, bytes, updates, through, first_part, end_part)
SELECT :room, :bytes + coalesce(sum(length(data)), 0), count(*), :through, :first_part, :end_part
FROM updates WHERE room = :room AND position > :through
ON CONFLICT (room) DO UPDATE
SET bytes = excluded.bytes, updates = excluded.updates, through = excluded.through,
    first_part = excluded.first_part, end_part = excluded.end_part
"""
BURY = """
INSERT INTO rooms (room, owner, bytes, updates, deleted_ms) VALUES (?, ?, 0, 0, ?)
ON CONFLICT (room) DO UPDATE
SET bytes = 0, updates = 0, first_part = 0, end_part = 0, deleted_ms = excluded.deleted_ms WHERE deleted_ms IS NULL
"""
WASTE = "INSERT INTO waste (room, first_part, end_part, through) VALUES (?, ?, ?, ?)"
NEXT_PART = """
SELECT max(end_part) FROM (
    SELECT end_part FROM rooms WHERE room = :room UNION ALL SELECT end_part FROM waste WHERE room = :room
)
"""
MISCOUNTS = """
SELECT room FROM rooms LEFT JOIN (
    SELECT room AS counted, sum(size) AS size, sum(log) AS log FROM (
        SELECT room, length(data) AS size, 1 AS log
        FROM updates JOIN rooms USING (room) WHERE position > rooms.through AND deleted_ms IS NULL
        UNION ALL
        SELECT room, length(data), 0
        FROM snapshots JOIN rooms USING (room) WHERE part >= first_part AND part < end_part
    ) GROUP BY room
) ON counted = room WHERE bytes != coalesce(size, 0) OR updates != coalesce(log, 0)
"""


@dataclass(frozen=True, slots=True)
class Staged:
    """A snapshot that is written and not valid yet: its number in `waste`, and where its parts begin and go on."""

    number: int
    first_part: int
    next_part: int


@dataclass(frozen=True, slots=True)
class _Record:
    owner: str | None = None
    through: int = 0
    first_part: int = 0
    end_part: int = 0


def load(connection: sqlite3.Connection, room: str) -> Stored:
    """Return all that is stored of `room`. Raises `RoomDeleted`, and `StoreError` if the snapshot is not whole."""
    connection.execute("BEGIN")  # all tables as of one moment
    record = _record(connection, room)
    if record is None:
        connection.execute("COMMIT")
        return Stored([], 0, 0)
    parts = connection.execute(
        "SELECT data FROM snapshots WHERE room = ? AND part >= ? AND part < ? ORDER BY part",
        (room, record.first_part, record.end_part),
    ).fetchall()
    rows = connection.execute(
        "SELECT data, position FROM updates WHERE room = ? AND position > ? ORDER BY position", (room, record.through)
    ).fetchall()
    connection.execute("COMMIT")
    if len(parts) != record.end_part - record.first_part:
        raise StoreError(
            f"of the {record.end_part - record.first_part} segments of the snapshot of {room!r} {len(parts)} are "
            "there; stop the relay and restore a backup"
        )
    position = rows[-1][1] if rows else record.through
    return Stored([*(data for (data,) in parts), *(data for data, _ in rows)], position, len(rows), record.owner)


def append(connection: sqlite3.Connection, room: str, update: bytes, owner: str | None) -> int:
    """Add a row to the log and return its position. Raises `RoomDeleted`."""
    if connection.execute(APPEND, (room, owner, len(update), _now_ms())).rowcount != 1:
        raise RoomDeleted("the document was deleted")
    position = connection.execute("INSERT INTO updates (room, data) VALUES (?, ?)", (room, update)).lastrowid
    assert position is not None
    return position


def pieces(segments: Sequence[bytes]) -> list[list[bytes]]:
    """Return the segments in the portions in which they are written: one at least, and the last may be empty."""
    found: list[list[bytes]] = [[]]
    size = 0
    for segment in segments:
        if found[-1] and size + len(segment) > PIECE_BYTES:
            found.append([])
            size = 0
        found[-1].append(segment)
        size += len(segment)
    return found


def stage(
    connection: sqlite3.Connection, room: str, staged: Staged | None, segments: Sequence[bytes], parts: int
) -> Staged:
    """Write segments that no one reads yet: the first of a snapshot of so many `parts`, or those that follow.

    Raises `RoomDeleted`.
    """
    _record(connection, room)
    if staged is None:
        (first,) = connection.execute(NEXT_PART, {"room": room}).fetchone()
        first = first or 0
        number = connection.execute(WASTE, (room, first, first + parts, 0)).lastrowid
        assert number is not None
        staged = Staged(number, first, first)
    connection.executemany(
        "INSERT INTO snapshots (room, part, through, data) VALUES (?, ?, 0, ?)",
        [(room, part, data) for part, data in enumerate(segments, staged.next_part)],
    )
    return Staged(staged.number, staged.first_part, staged.next_part + len(segments))


def put_in_place(connection: sqlite3.Connection, room: str, staged: Staged, through: int, size_bytes: int) -> None:
    """Make a snapshot of `size_bytes` the valid one; what it stands for is waste.

    Raises `RoomDeleted`, and `Superseded` if one of a later position is in its place.
    """
    before = _record(connection, room) or _Record()
    if through < before.through:
        raise Superseded(f"a snapshot of a later position is stored of {room!r} already")
    connection.execute("DELETE FROM waste WHERE number = ?", (staged.number,))
    connection.execute(WASTE, (room, before.first_part, before.end_part, through))
    valid = {"first_part": staged.first_part, "end_part": staged.next_part}
    connection.execute(PUT_IN_PLACE, {"room": room, "bytes": size_bytes, "through": through, **valid})


def bury(connection: sqlite3.Connection, room: str, owner: str | None = None, deleted_ms: int | None = None) -> None:
    """Make a tombstone of the room's record; all else that is stored of it is waste, and its devices are forgotten."""
    connection.execute("DELETE FROM devices WHERE room = ?", (room,))
    if connection.execute(BURY, (room, owner, _now_ms() if deleted_ms is None else deleted_ms)).rowcount == 1:
        connection.execute(WASTE, (room, 0, EVER, EVER))


def first_waste(connection: sqlite3.Connection, spared: Collection[int] = ()) -> tuple[int, str, int, int, int] | None:
    """Return what is to be erased next, but nothing whose number is `spared`: number, room, parts, log."""
    listed = connection.execute("SELECT number, room, first_part, end_part, through FROM waste ORDER BY number")
    return next((row for row in listed.fetchall() if row[0] not in spared), None)


def sweep(connection: sqlite3.Connection, spared: Collection[int] = ()) -> bool:
    """Erase a piece of the waste, but of none whose number is `spared`. Return False if there is nothing to erase."""
    found = first_waste(connection, spared)
    if found is None:
        return False
    number, room, first_part, end_part, through = found
    parts = connection.execute(
        "SELECT part, length(data) FROM snapshots WHERE room = ? AND part >= ? AND part < ? ORDER BY part LIMIT ?",
        (room, first_part, end_part, PIECE_ROWS),
    ).fetchall()
    log = connection.execute(
        "SELECT position, length(data) FROM updates WHERE room = ? AND position <= ? ORDER BY position LIMIT ?",
        (room, through, PIECE_ROWS),
    ).fetchall()
    taken = _piece([size for _, size in (*parts, *log)])
    if last_parts := parts[:taken]:
        reach = (room, first_part, last_parts[-1][0])
        connection.execute("DELETE FROM snapshots WHERE room = ? AND part >= ? AND part <= ?", reach)
    if last_log := log[: max(0, taken - len(parts))]:
        connection.execute("DELETE FROM updates WHERE room = ? AND position <= ?", (room, last_log[-1][0]))
    if taken == len(parts) + len(log) and len(parts) < PIECE_ROWS and len(log) < PIECE_ROWS:
        connection.execute("DELETE FROM waste WHERE number = ?", (number,))
    return True


def _piece(sizes: Sequence[int]) -> int:
    """Return how many of the rows make a piece: one at least, if there are any."""
    left_bytes = PIECE_BYTES
    for taken, size in enumerate(sizes[:PIECE_ROWS]):
        if taken and size > left_bytes:
            return taken
        left_bytes -= size
    return min(len(sizes), PIECE_ROWS)


def _record(connection: sqlite3.Connection, room: str) -> _Record | None:
    """Return what the record of `room` says is valid, if there is one. Raises `RoomDeleted`."""
    found = connection.execute(
        "SELECT owner, through, first_part, end_part, deleted_ms FROM rooms WHERE room = ?", (room,)
    ).fetchone()
    if found is None:
        return None
    if found[-1] is not None:
        raise RoomDeleted("the document was deleted")
    return _Record(*found[:-1])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
