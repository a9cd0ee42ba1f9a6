"""The append-only log of updates, and the snapshot that stands for its beginning. The caller holds the transaction.

SQLite keeps no checksum of what it stores: a flipped bit in an update would be read as another word. So each row has
the CRC-32 of its bytes, and what does not match is never applied.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from zlib import crc32

from crdt_sync.errors import LibraryDamaged

__all__ = ["Log"]

Row = tuple[bytes, int]
"""An update and the CRC-32 that stands beside it."""


class Log:
    """Updates in the order of `seq`, which rises for ever; times decide nothing."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def append(self, update: bytes, received_by: str | None) -> int:
        """Add an update, with the name of the connection that brought it (None for an edit); return its position."""
        row = self._connection.execute(
            "INSERT INTO updates (data, received_by, crc) VALUES (?, ?, ?)", (update, received_by, crc32(update))
        )
        assert row.lastrowid is not None
        return row.lastrowid

    def after(self, position: int) -> tuple[list[bytes], int]:
        """Return what a document at `position` lacks, in order, and the position it then has.

        One that is behind the snapshot gets the snapshot first: it holds all that was there. Raises `LibraryDamaged`.
        """
        through, last = self._connection.execute(
            "SELECT (SELECT through FROM snapshots LIMIT 1), (SELECT max(seq) FROM updates)"
        ).fetchone()
        through, last = through or 0, last or 0
        if max(through, last) <= position:
            return [], position
        updates: list[bytes] = []
        if through > position:
            updates += self._snapshot()
        rows = self._connection.execute("SELECT data, crc FROM updates WHERE seq > ? ORDER BY seq", (position,))
        updates += _checked(rows, "an update")
        return updates, max(through, last)

    def outgoing(self, after: int, not_received_by: str) -> tuple[list[bytes], int] | None:
        """Return what follows `after` but what that connection brought, and where it ends; None if it was compacted."""
        if self._through() > after:
            return None
        rows = self._connection.execute(
            "SELECT seq, data, crc, received_by FROM updates WHERE seq > ? ORDER BY seq", (after,)
        ).fetchall()
        updates = _checked([(data, crc) for _, data, crc, by in rows if by != not_received_by], "an update")
        return updates, rows[-1][0] if rows else after

    def compact(self, parts: Sequence[bytes], through: int) -> None:
        """Put `parts`, which hold everything up to the position `through`, in its place."""
        self._connection.execute("DELETE FROM snapshots")
        self._connection.executemany(
            "INSERT INTO snapshots (part, through, data, parts, crc) VALUES (?, ?, ?, ?, ?)",
            [(number, through, part, len(parts), crc32(part)) for number, part in enumerate(parts)],
        )
        self._connection.execute("DELETE FROM updates WHERE seq <= ?", (through,))

    def length(self) -> int:
        """Return how many updates follow the snapshot."""
        (length,) = self._connection.execute(
            "SELECT coalesce(max(seq) - min(seq) + 1, 0) FROM updates"  # seq has no holes worth counting
        ).fetchone()
        return int(length)

    def sizes(self) -> tuple[int, int]:
        """Return the bytes of the snapshot and of the updates that follow it."""
        row = self._connection.execute(
            "SELECT (SELECT coalesce(sum(length(data)), 0) FROM snapshots),"
            " (SELECT coalesce(sum(length(data)), 0) FROM updates)"
        ).fetchone()
        return int(row[0]), int(row[1])

    def holes(self) -> list[str]:
        """Say what is missing. Positions rise one by one, also over a failed write, so each hole was a row once."""
        first, last, count, ever = self._connection.execute(
            "SELECT min(seq), max(seq), count(*), (SELECT seq FROM sqlite_sequence WHERE name = 'updates') FROM updates"
        ).fetchone()
        through = self._through()
        found = []
        if count and first > through + 1:
            found.append(f"the updates {through + 1} to {first - 1} are missing")
        if count and last - first + 1 != count:
            found.append(f"{last - first + 1 - count} updates are missing between {first} and {last}")
        if (ever or 0) != max(through, last or 0):
            found.append(f"the log was {ever or 0} long once and ends at {max(through, last or 0)}")
        return found

    def _snapshot(self) -> list[bytes]:
        rows = self._connection.execute(
            "SELECT part, parts, through, data, crc FROM snapshots ORDER BY part"
        ).fetchall()
        if [part for part, *_ in rows] != list(range(rows[0][1])) or len({row[1:3] for row in rows}) != 1:
            raise LibraryDamaged("a part of the snapshot is missing")
        return _checked([(data, crc) for *_, data, crc in rows], "a part of the snapshot")

    def _through(self) -> int:
        row = self._connection.execute("SELECT through FROM snapshots LIMIT 1").fetchone()
        return int(row[0]) if row else 0


def _checked(rows: Iterable[Row], what: str) -> list[bytes]:
    updates = []
    for data, crc in rows:
        if not isinstance(data, bytes) or crc32(data) != crc:
            raise LibraryDamaged(f"{what} is not what was written")
        updates.append(data)
    return updates
