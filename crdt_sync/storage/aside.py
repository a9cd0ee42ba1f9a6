"""What a repair could read and not place: kept in the new file, never dropped. The caller holds the transaction.

`waiting` holds updates whose predecessor was lost; another device or the relay may still have that. `rescued` holds
items that stood only in the tables for queries, or stood there otherwise than the log says.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from zlib import crc32

from crdt_sync.document.anchors import Anchor
from crdt_sync.document.values import Highlight, Note

__all__ = ["Aside", "Rescued", "item_of"]


@dataclass(frozen=True, slots=True)
class Rescued:
    """An item as the tables of a damaged file showed it, and as the library has it `now`, if it does."""

    item: Highlight | Note
    now: Highlight | Note | None


class Aside:
    """What is kept aside in one file, over its connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def waits(self) -> bool:
        """Say whether updates wait for a predecessor."""
        return self._connection.execute("SELECT 1 FROM waiting LIMIT 1").fetchone() is not None

    def waiting(self) -> list[bytes]:
        """Return the updates that wait for a predecessor, in the order in which they were found."""
        rows = self._connection.execute("SELECT data, crc FROM waiting ORDER BY id")
        return [data for data, crc in rows if crc32(data) == crc]

    def wait(self, updates: Iterable[bytes]) -> None:
        """Keep updates until their predecessor arrives."""
        rows = [(update, crc32(update)) for update in updates]
        self._connection.executemany("INSERT INTO waiting (data, crc) VALUES (?, ?)", rows)

    def taken(self, updates: Sequence[bytes]) -> None:
        """Forget updates that the document has now."""
        self._connection.executemany("DELETE FROM waiting WHERE data = ?", [(update,) for update in updates])

    def rescue(self, items: Iterable[Highlight | Note]) -> None:
        """Keep items that the log does not give."""
        rows = [(item.id, type(item).__name__, json.dumps(_value(item), ensure_ascii=False)) for item in items]
        self._connection.executemany("INSERT OR REPLACE INTO rescued VALUES (?, ?, ?)", rows)

    def rescued(self) -> list[Highlight | Note]:
        """Return the items that are kept, by id."""
        rows = self._connection.execute("SELECT kind, value FROM rescued ORDER BY item_id")
        return [item_of(kind, value) for kind, value in rows]

    def done(self, item_ids: Iterable[str]) -> None:
        """Forget rescued items."""
        self._connection.executemany("DELETE FROM rescued WHERE item_id = ?", [(item_id,) for item_id in item_ids])


def _value(item: Highlight | Note) -> dict[str, Any]:
    return {**asdict(item), **({"anchor": item.anchor.to_json()} if isinstance(item, Highlight) else {})}


def item_of(kind: str, value: str) -> Highlight | Note:
    """Read a rescued item. Raises `ValueError` or `TypeError` if it is none."""
    fields = json.loads(value)
    fields["tags"] = tuple(fields["tags"])
    if kind == "Highlight":
        return Highlight(**{**fields, "anchor": Anchor.from_json(fields["anchor"])})
    return Note(**fields)
