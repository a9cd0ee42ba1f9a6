"""Which rooms have changed since somebody looked. A turn of a room marks it here, and does no more for webhooks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Change", "Changes", "Event", "latest"]

MAX_MARKED = 65_536
"""Rooms; who looks does so twice a second, so these many do not change between."""


class Event(StrEnum):
    """What happened to a room: its document has something new that is durable, or was deleted for good."""

    CHANGED = "changed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Change:
    """The last that happened to a room. `at_ms` is of the wall clock, in milliseconds since 1970.

    `version` is the position of the last update that is durable; it rises. None for a deletion.
    """

    room: str
    event: Event
    at_ms: int
    version: int | None = None


def latest(one: Change, other: Change) -> Change:
    """Return what is to be told of two changes of a room: the later one, and of a deleted room that it is deleted."""
    if one.event is not other.event:
        return one if one.event is Event.DELETED else other
    return one if (one.version or 0, one.at_ms) >= (other.version or 0, other.at_ms) else other


class Changes:
    """The marks: of each room the last change. Nothing is marked while `wanted` is false."""

    def __init__(self, wall: Callable[[], float]) -> None:
        """`wall` is the wall clock, in seconds since 1970."""
        self.wanted = False
        self.lost = 0
        """Changes of rooms for which there was no place."""
        self._wall = wall
        self._marks: dict[str, tuple[int, float]] = {}  # room → version, and when in seconds
        self._deleted: dict[str, float] = {}

    def changed(self, room: str, version: int) -> None:
        """Mark a room whose update of this version is durable now."""
        if self.wanted:
            if len(self._marks) < MAX_MARKED or room in self._marks:
                self._marks[room] = (version, self._wall())
            else:
                self.lost += 1

    def deleted(self, room: str) -> None:
        """Mark a room that is deleted now."""
        if self.wanted:
            self._deleted[room] = self._wall()

    @property
    def is_empty(self) -> bool:
        """True while nothing is marked."""
        return not self._marks and not self._deleted

    def take(self) -> list[Change]:
        """Return the marks, one for each room, and forget them."""
        marks, self._marks = self._marks, {}
        deleted, self._deleted = self._deleted, {}
        return [
            *(
                Change(room, Event.CHANGED, int(at_s * 1000), version)
                for room, (version, at_s) in marks.items()
                if room not in deleted
            ),
            *(Change(room, Event.DELETED, int(at_s * 1000)) for room, at_s in deleted.items()),
        ]
