"""The update log of a replica: the port, and an adapter in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["MemoryLog", "UpdateLog"]


class UpdateLog(Protocol):
    """Updates in the order of their positions, which rise for ever, and a snapshot that may stand for the beginning."""

    def append(self, update: bytes, received_by: str | None) -> int:
        """Add an update, with the name of the connection that brought it (None for an edit); return its position."""

    def after(self, position: int) -> tuple[list[bytes], int]:
        """Return what a document at `position` lacks, in order, and the position it then has (0 is an empty one)."""

    def outgoing(self, after: int, not_received_by: str) -> tuple[list[bytes], int] | None:
        """Return what follows `after` but what that connection brought, and where it ends; None if it was compacted."""

    def compact(self, parts: Sequence[bytes], through: int) -> None:
        """Put `parts`, which hold everything up to the position `through`, in its place."""


class MemoryLog:
    """An `UpdateLog` in lists. It is what survives a crash of a simulated replica."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, bytes, str | None]] = []
        self.snapshot: list[bytes] = []
        self.through = 0
        self.last = 0

    def copy(self) -> MemoryLog:
        """Return a copy: a backup."""
        copy = type(self)()
        copy.rows, copy.snapshot = list(self.rows), list(self.snapshot)
        copy.through, copy.last = self.through, self.last
        return copy

    def append(self, update: bytes, received_by: str | None) -> int:
        """See `UpdateLog`."""
        self.last += 1
        self.rows.append((self.last, update, received_by))
        return self.last

    def after(self, position: int) -> tuple[list[bytes], int]:
        """See `UpdateLog`."""
        updates = list(self.snapshot) if position < self.through else []
        updates += [update for at, update, _ in self.rows if at > position]
        return updates, max(position, self.last)

    def outgoing(self, after: int, not_received_by: str) -> tuple[list[bytes], int] | None:
        """See `UpdateLog`."""
        if after < self.through:
            return None
        updates = [update for at, update, name in self.rows if at > after and name != not_received_by]
        return updates, max(after, self.last)

    def compact(self, parts: Sequence[bytes], through: int) -> None:
        """See `UpdateLog`."""
        self.snapshot = list(parts)
        self.through = through
        self.rows = [row for row in self.rows if row[0] > through]
