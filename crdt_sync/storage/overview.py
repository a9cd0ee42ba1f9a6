"""What is in a library at a glance: its works, tags and colours, with their counts."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

__all__ = ["ColorCount", "Overview", "TagCount", "Work"]


@dataclass(frozen=True, slots=True)
class Work:
    """A text that highlights stand in. `id` is what lists are filtered by; title and author are None if nobody said.

    `highlights` counts bookmarks too, and nothing in the trash. The time is milliseconds since 1970.
    """

    id: str
    title: str | None
    author: str | None
    highlights: int
    last_changed_at_ms: int


@dataclass(frozen=True, slots=True)
class TagCount:
    """A tag, and how many highlights and notes outside the trash have it."""

    tag: str
    items: int


@dataclass(frozen=True, slots=True)
class ColorCount:
    """A colour, and how many highlights outside the trash have it."""

    color: str
    highlights: int


class Overview:
    """The part of `ReadModel` that counts."""

    _connection: sqlite3.Connection

    def works(self) -> list[Work]:
        """Return the works that have highlights outside the trash, the one with the latest change first."""
        last = (
            "SELECT updated_at_ms, anchor FROM highlights WHERE work = ? AND deleted_at_ms IS NULL "
            "ORDER BY updated_at_ms DESC LIMIT 1"
        )
        works = []
        for work, highlights in self._tallied("work"):
            changed, anchor = self._connection.execute(last, (work,)).fetchone()
            said = json.loads(anchor).get("work", {})
            works.append(Work(work, _text(said, "title"), _text(said, "author"), highlights, changed))
        return sorted(works, key=lambda each: (-each.last_changed_at_ms, each.id))

    def tags(self) -> list[TagCount]:
        """Return the tags, the commonest first."""
        return [TagCount(tag, items) for tag, items in self._tallied("tag")]

    def colors(self) -> list[ColorCount]:
        """Return the colours of highlights, the commonest first."""
        return [ColorCount(color, items) for color, items in self._tallied("color")]

    def _tallied(self, facet: str) -> list[tuple[str, int]]:
        rows = "SELECT value, items FROM tallies WHERE facet = ? ORDER BY items DESC, value"
        return self._connection.execute(rows, (facet,)).fetchall()


def _text(work: Any, name: str) -> str | None:
    value = work.get(name) if isinstance(work, dict) else None
    return value if isinstance(value, str) else None
