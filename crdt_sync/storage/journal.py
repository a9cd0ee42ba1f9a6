"""What this file's own edits did, to take them back: two stacks, bounded. The caller holds the transaction.

It is of this device alone and never leaves it. Edits follow one another in the order in which the file got them, from
whichever process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from crdt_sync.document.undoing import Done
from crdt_sync.errors import LibraryDamaged

__all__ = ["Journal", "Steps"]

MAX_STEPS = 200
MAX_BYTES = 8 * 1024 * 1024
TRIM_EVERY = 16
"""So many edits are noted between two looks at the bounds, unless one is large."""
LARGE_BYTES = 64 * 1024
SAME_WITHIN_S = 1.0
"""Edits of the same fields or body that follow one another sooner are one step, as a person types."""
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True)
class Steps:
    """How many steps can be undone, and how many that were undone can be made again."""

    undo: int
    redo: int


class Journal:
    """The steps of one file, over its connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._last: tuple[int, float, Done] | None = None

    def forget_last(self) -> None:
        """Let no later edit join the last one: that one was rolled back, or something else came between."""
        self._last = None

    def record(self, done: Done, now_s: float) -> None:
        """Note an edit, made at `now_s` of a clock that only goes forward. What was undone cannot be redone then."""
        self._connection.execute("DELETE FROM undo WHERE is_redo")
        last, self._last = self._last, None
        if last is not None and now_s - last[1] <= SAME_WITHIN_S and done.goes_on(last[2]) and self._is_top(last[0]):
            joined = done.after(last[2])
            if joined:
                text = joined.to_json()
                self._connection.execute("UPDATE undo SET size = ?, step = ? WHERE id = ?", (len(text), text, last[0]))
                self._last = (last[0], now_s, joined)
            else:
                self._connection.execute("DELETE FROM undo WHERE id = ?", (last[0],))
            return
        number = self.push(done, is_redo=False)
        self._last = (number, now_s, done)

    def push(self, done: Done, *, is_redo: bool) -> int:
        """Put a step on a stack; the oldest leave if there are too many."""
        text = done.to_json()
        row = self._connection.execute(
            "INSERT INTO undo (is_redo, size, step) VALUES (?, ?, ?)", (is_redo, len(text), text)
        )
        assert row.lastrowid is not None
        if row.lastrowid % TRIM_EVERY == 0 or len(text) > LARGE_BYTES:
            self._trim()
        return row.lastrowid

    def pop(self, *, is_redo: bool) -> tuple[Done, set[str]] | None:
        """Take the last step off a stack, with those of its keys that others have written since; None if it is empty.

        Raises `LibraryDamaged` if it cannot be read.
        """
        row = self._connection.execute(
            "DELETE FROM undo WHERE id = (SELECT max(id) FROM undo WHERE is_redo = ?) RETURNING id, step", (is_redo,)
        ).fetchone()
        self._last = None
        if row is None:
            return None
        try:
            done = Done.from_json(row[1])
        except _UNREADABLE as error:
            raise LibraryDamaged(f"a step to undo cannot be read ({error}); `forget_steps` clears them") from error
        return done, {key for key in done.written() if self._is_overtaken(key, row[0])}

    def overtake(self, keys: Collection[str]) -> None:
        """Note that others wrote these fields: no step that is here now takes that back, be the value what it may."""
        (top,) = self._connection.execute("SELECT max(id) FROM undo").fetchone()
        if top is not None and keys:
            self._last = None
            self._connection.executemany("INSERT OR REPLACE INTO overtaken VALUES (?, ?)", [(key, top) for key in keys])

    def steps(self) -> Steps:
        """Return how many steps there are."""
        row = self._connection.execute("SELECT count(*) - total(is_redo), total(is_redo) FROM undo").fetchone()
        return Steps(int(row[0]), int(row[1]))

    def forget(self, item_ids: Iterable[str]) -> None:
        """Forget all that is known of these items: they were purged, and their words shall not stay."""
        gone = set(item_ids)
        self._last = None
        for number, text in self._connection.execute("SELECT id, step FROM undo").fetchall():
            try:
                done = Done.from_json(text)
            except _UNREADABLE:
                done = Done()
            rest = done.without(gone)
            if not rest:
                self._connection.execute("DELETE FROM undo WHERE id = ?", (number,))
            elif rest != done:
                text = rest.to_json()
                self._connection.execute("UPDATE undo SET size = ?, step = ? WHERE id = ?", (len(text), text, number))

    def clear(self) -> None:
        """Forget every step."""
        self._connection.execute("DELETE FROM undo")
        self._connection.execute("DELETE FROM overtaken")
        self._last = None

    def _is_overtaken(self, key: str, number: int) -> bool:
        row = self._connection.execute("SELECT step >= ? FROM overtaken WHERE key = ?", (number, key)).fetchone()
        return row is not None and bool(row[0])

    def _is_top(self, number: int) -> bool:
        (top,) = self._connection.execute("SELECT max(id) FROM undo WHERE NOT is_redo").fetchone()
        return bool(top == number)

    def _trim(self) -> None:
        """Keep the newest that are within the bounds; a step that is above them alone cannot be undone."""
        kept = total = 0
        for number, size in self._connection.execute("SELECT id, size FROM undo ORDER BY id DESC").fetchall():
            kept, total = kept + 1, total + size
            if kept > MAX_STEPS or total > MAX_BYTES:
                self._connection.execute("DELETE FROM undo WHERE id <= ?", (number,))
                self._connection.execute("DELETE FROM overtaken WHERE step <= ?", (number,))
                return
