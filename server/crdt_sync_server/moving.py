"""What a store hands over when it is moved to one of another kind: the rows of its tables, as the other one has them.

`stores/postgres_rows.py` says what the columns of rooms mean. A snapshot is number 1 of its room, its parts go from 0
on. The positions of the log go on from `through` without gaps, whatever they were before; the last one of each room
stays, as people outside know it (`version` in docs/webhooks.md). What is waste is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["TABLES", "Holdings", "Moved"]

TABLES: Mapping[str, str] = {
    "rooms": "room, owner, bytes, updates, position, through, snapshot, parts, changed_ms, deleted_ms",
    "segments": "room, snapshot, part, data",
    "updates": "room, position, data",
    "rosters": "room, name, made_by, made_ms, deleted_ms",
    "members": "room, subject, role, since_ms, name",
    "invitations": "id, room, role, made_by, made_ms, expires_ms, uses_left",
    "invitation_uses": "invitation, subject",
    "audit": "at_ms, who, what, room, about, detail",
    "keys": "name, secret",
    "tokens": "id, subject, name, made_ms, expires_ms, revoked_ms, made_with, used_ms, digest",
    "devices": "room, subject, device, transport, first_ms, last_ms, times",
    "webhooks": "id, url, room, under, made_ms, secret",
}
"""All tables with their columns; what is large of a row is its last."""


class Holdings(Protocol):
    """All that a store holds, as of one moment."""

    @property
    def size_bytes(self) -> int:
        """What is stored of all rooms."""
        ...

    def rows(self, table: str) -> Iterator[tuple[Any, ...]]:
        """Return the rows of one of `TABLES` one by one; the audit in its order."""
        ...


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved, and where to, for people: the rows of each table, how many rooms are tombstones, and bytes."""

    where: str
    rows: Mapping[str, int]
    tombstones: int
    size_bytes: int

    @property
    def rooms(self) -> int:
        """Rooms that are there."""
        return self.rows["rooms"] - self.tombstones
