"""A store that forgets everything with the process: for tests, and for rooms that need not outlive the relay."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from crdt_sync_server.errors import RoomDeleted, Superseded
from crdt_sync_server.ports import Heads, Notice, NoticeKind, RoomRecord, Stored

__all__ = ["MemoryStore"]


@dataclass(slots=True)
class _Room:
    owner: str | None = None
    segments: list[bytes] = field(default_factory=list)
    log: list[bytes] = field(default_factory=list)
    position: int = 0
    through: int = 0
    changed_ms: int | None = None
    deleted_ms: int | None = None

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.segments)) + sum(map(len, self.log))


class MemoryStore:
    """`ports.SharedStore` in dictionaries."""

    def __init__(self, node: str = "alone") -> None:
        self.node = node
        """The id of who has opened it here."""
        self.installation = "memory"
        """What tells this store from others."""
        self._rooms: dict[str, _Room] = {}
        self._notices: list[Notice] = []

    def beside(self, node: str) -> MemoryStore:
        """Open the same memory once more, as the relay `node` of this process."""
        opened = MemoryStore(node)
        opened._rooms, opened._notices = self._rooms, self._notices
        return opened

    async def load(self, room: str) -> Stored:
        """Return all that is stored of `room`."""
        known = self._living(room, _Room())
        return Stored([*known.segments, *known.log], known.position, len(known.log), known.owner)

    async def append(self, room: str, update: bytes, owner: str | None = None) -> int:
        """Store `update` and return its position."""
        known = self._living(room, self._rooms.setdefault(room, _Room(owner)))
        known.log.append(update)
        known.position += 1
        known.changed_ms = _now_ms()
        return known.position

    async def compact(self, room: str, segments: Sequence[bytes], through: int) -> None:
        """Put `segments` in the place of all updates up to the position `through`."""
        known = self._living(room, self._rooms.setdefault(room, _Room()))
        if through < known.through:
            raise Superseded(f"a snapshot of a later position is stored of {room!r} already")
        known.segments, known.through = list(segments), through
        kept = known.position - through
        known.log = known.log[len(known.log) - kept :] if kept else []

    async def delete(self, room: str) -> None:
        """Forget what is stored of `room`, and keep a tombstone."""
        known = self._rooms.setdefault(room, _Room())
        known.segments, known.log = [], []
        if known.deleted_ms is None:
            known.deleted_ms = _now_ms()
            self._notices.append(Notice(len(self._notices) + 1, NoticeKind.DELETED, room, self.node))

    async def since(self, room: str, after: int) -> Stored:
        """Return what is stored of `room` after the position `after`."""
        known = self._living(room, _Room())
        segments = known.segments if after < known.through else ()
        log = known.log[max(0, after - known.through) :]
        return Stored([*segments, *log], known.position, len(log), known.owner)

    def renew(self) -> None:
        """Do nothing: memory is not put back."""

    async def heads(self, rooms: Sequence[str]) -> Heads:
        """Return how far these rooms and the notices are."""
        positions = {name: self._rooms[name].position if name in self._rooms else 0 for name in rooms}
        return Heads(positions, len(self._notices))

    async def notices(self, after: int) -> Sequence[Notice]:
        """Return the notices after the number `after`."""
        return self._notices[after:]

    async def rooms(self, name: str | None = None) -> Sequence[RoomRecord]:
        """Return the records of all rooms by name, or of one."""
        return [
            RoomRecord(each, room.owner, room.size_bytes, len(room.log), room.changed_ms, room.deleted_ms)
            for each, room in sorted(self._rooms.items())
            if name in (None, each)
        ]

    async def under(self, room: str) -> Sequence[RoomRecord]:
        """Return the records of `room` and of all rooms under it, by name."""
        return [each for each in await self.rooms() if each.name == room or each.name.startswith(f"{room}/")]

    async def usage(self, owner: str) -> int:
        """Return the bytes that are stored of all rooms of `owner`."""
        return sum(room.size_bytes for room in self._rooms.values() if room.owner == owner)

    async def damage(self) -> Sequence[str]:
        """Return nothing: memory has no medium that rots."""
        return ()

    async def erased(self) -> bool:
        """Return True: what is gone from a dictionary is gone."""
        return True

    async def check(self) -> None:
        """Return: memory can always be written."""

    async def close(self) -> None:
        """Free nothing: what is held goes with the store."""

    def _living(self, name: str, otherwise: _Room) -> _Room:
        room = self._rooms.get(name, otherwise)
        if room.deleted_ms is not None:
            raise RoomDeleted("the document was deleted")
        return room


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
