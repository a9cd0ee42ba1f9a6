"""The append-only log of updates, and the snapshot that stands for its beginning. The caller holds the transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

__all__ = ["Log"]


class Log:
    """Updates in the order of `seq`, which rises for ever; times decide nothing."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def append(self, update: bytes, received_by: str | None) -> int:
        """Add an update, with the name of the connection that brought it (None for an edit); return its position."""
        row = self._connection.execute("INSERT INTO updates (data, received_by) VALUES (?, ?)", (update, received_by))
        assert row.lastrowid is not None
        return row.lastrowid

    def after(self, position: int) -> tuple[list[bytes], int]:
        """Return what a document at `position` lacks, in order, and the position it then has.

        One that is behind the snapshot gets the snapshot first: it holds all that was there.
        """
        through, last = self._connection.execute(
            "SELECT (SELECT through FROM snapshots LIMIT 1), (SELECT max(seq) FROM updates)"
        ).fetchone()
        through, last = through or 0, last or 0
        if max(through, last) <= position:
            return [], position
        updates: list[bytes] = []
        if through > position:
            updates += [data for (data,) in self._connection.execute("SELECT data FROM snapshots ORDER BY part")]
        rows = self._connection.execute("SELECT data FROM updates WHERE seq > ? ORDER BY seq", (position,))
        updates += [data for (data,) in rows]
        return updates, max(through, last)

    def outgoing(self, after: int, not_received_by: str) -> tuple[list[bytes], int] | None:
        """Return what follows `after` but what that connection brought, and where it ends; None if it was compacted."""
        if self._through() > after:
            return None
        rows = self._connection.execute(
            "SELECT seq, data, received_by FROM updates WHERE seq > ? ORDER BY seq", (after,)
        ).fetchall()
        updates = [data for _, data, received_by in rows if received_by != not_received_by]
        return updates, rows[-1][0] if rows else after

    def compact(self, parts: Sequence[bytes], through: int) -> None:
        """Put `parts`, which hold everything up to the position `through`, in its place."""
        self._connection.execute("DELETE FROM snapshots")
        self._connection.executemany(
            "INSERT INTO snapshots (part, through, data) VALUES (?, ?, ?)",
            [(number, through, part) for number, part in enumerate(parts)],
        )
        self._connection.execute("DELETE FROM updates WHERE seq <= ?", (through,))

    def length(self) -> int:
        """Return how many updates follow the snapshot."""
        (length,) = self._connection.execute(
            "SELECT coalesce(max(seq) - min(seq) + 1, 0) FROM updates"  # seq has no holes worth counting
        ).fetchone()
        return int(length)

    def _through(self) -> int:
        row = self._connection.execute("SELECT through FROM snapshots LIMIT 1").fetchone()
        return int(row[0]) if row else 0
