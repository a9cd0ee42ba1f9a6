"""A store that forgets everything with the process: for tests, and for rooms that need not outlive the relay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from crdt_sync_server.ports import Stored

__all__ = ["MemoryStore"]


@dataclass(slots=True)
class _Room:
    segments: list[bytes] = field(default_factory=list)
    log: list[bytes] = field(default_factory=list)
    position: int = 0


class MemoryStore:
    """`ports.Store` in dictionaries."""

    def __init__(self) -> None:
        self._rooms: dict[str, _Room] = {}

    async def load(self, room: str) -> Stored:
        """Return all that is stored of `room`."""
        known = self._rooms.get(room, _Room())
        return Stored([*known.segments, *known.log], known.position, len(known.log))

    async def append(self, room: str, update: bytes) -> int:
        """Store `update` and return its position."""
        known = self._rooms.setdefault(room, _Room())
        known.log.append(update)
        known.position += 1
        return known.position

    async def compact(self, room: str, segments: Sequence[bytes], through: int) -> None:
        """Put `segments` in the place of all updates up to the position `through`."""
        known = self._rooms.setdefault(room, _Room())
        known.segments = list(segments)
        kept = known.position - through
        known.log = known.log[len(known.log) - kept :] if kept else []

    async def check(self) -> None:
        """Return: memory can always be written."""

    async def close(self) -> None:
        """Free nothing: what is held goes with the store."""
