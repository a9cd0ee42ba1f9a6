"""What a file knows of its edits and of the relay: counted, never flagged. The caller holds the transaction.

`edits_made` rises with each edit, `edits_acknowledged` is what the relay has confirmed of them, and `unsaved` names the
items whose last edit is above that. All three belong to the one relay that the file is bound to.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

__all__ = ["State"]


class State:
    """The counters of one file, over its connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def edited(self, item_ids: Iterable[str]) -> None:
        """Count one edit, which changed these items."""
        (number,) = self._connection.execute(
            "UPDATE state SET edits_made = edits_made + 1 RETURNING edits_made"
        ).fetchone()
        self._connection.executemany(
            "INSERT OR REPLACE INTO unsaved VALUES (?, ?)", [(item_id, number) for item_id in item_ids]
        )

    def acknowledge(self, edits_made: int, now_ms: int) -> None:
        """Note that the first `edits_made` edits are durable on the relay. The count never goes down."""
        self._connection.execute(
            "UPDATE state SET edits_acknowledged = max(edits_acknowledged, min(?, edits_made)), durable_at_ms = ?",
            (edits_made, now_ms),
        )
        self._connection.execute("DELETE FROM unsaved WHERE number <= (SELECT edits_acknowledged FROM state)")

    def nothing_is_saved(self, at_least: int = 0) -> None:
        """Forget what a relay has confirmed: of this library it may have nothing, and that is the truth to start from.

        All that is there counts as `at_least` so many edits, and as one if nothing was ever counted.
        """
        self._connection.execute(
            "UPDATE state SET edits_acknowledged = 0, durable_at_ms = NULL, edits_made = max("
            "edits_made, ?, EXISTS (SELECT 1 FROM highlights UNION SELECT 1 FROM notes))",
            (at_least,),
        )
        self._connection.execute(
            "INSERT OR REPLACE INTO unsaved SELECT id, (SELECT edits_made FROM state)"
            " FROM (SELECT id FROM highlights UNION SELECT id FROM notes)"
        )

    def is_unsaved(self, item_id: str) -> bool:
        """Say whether an edit of this item is not known to be durable on the relay."""
        row = self._connection.execute("SELECT 1 FROM unsaved WHERE item_id = ?", (item_id,)).fetchone()
        return row is not None

    def unsaved(self) -> list[str]:
        """Return the items with edits that are not known to be durable on the relay, the latest edit first."""
        rows = self._connection.execute("SELECT item_id FROM unsaved ORDER BY number DESC, item_id")
        return [item_id for (item_id,) in rows]

    def number(self, expression: str) -> int:
        """Return an integer that is made of the counters."""
        (value,) = self._connection.execute(f"SELECT {expression} FROM state").fetchone()
        return int(value)

    def durable_at_ms(self) -> int | None:
        """When the relay last confirmed, in milliseconds since 1970."""
        (at,) = self._connection.execute("SELECT durable_at_ms FROM state").fetchone()
        return None if at is None else int(at)
