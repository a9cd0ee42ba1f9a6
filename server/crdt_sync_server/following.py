"""How far one room is behind what other relays have stored of it, and what of that has come already.

Updates of a room are taken in the order of their positions, without a gap. What the backplane brought early waits here
for what comes before it; what it did not bring is read from the store.
"""

from __future__ import annotations

__all__ = ["Following"]

MAX_HELD = 256
MAX_HELD_BYTES = 4 * 1024 * 1024
"""Beyond either nothing more is held: it is in the store."""


class Following:
    """What is known of a room's log beyond the position that the room is at."""

    __slots__ = ("_head", "_held", "_held_bytes")

    def __init__(self) -> None:
        self._head = 0
        self._held: dict[int, bytes] = {}
        self._held_bytes = 0

    def told(self, position: int, update: bytes | None) -> None:
        """Take note that there is an update at `position`, and of what it is, if that came with it."""
        self._head = max(self._head, position)
        fits = len(self._held) < MAX_HELD and self._held_bytes < MAX_HELD_BYTES
        if update is not None and fits and position not in self._held:
            self._held[position] = update
            self._held_bytes += len(update)

    def is_ahead(self, position: int) -> bool:
        """Say whether there is something after `position`."""
        return self._head > position

    def next(self, position: int) -> list[bytes]:
        """Return the updates that follow on `position` and are here, in order, and forget them."""
        updates: list[bytes] = []
        while (update := self._held.pop(position + len(updates) + 1, None)) is not None:
            updates.append(update)
            self._held_bytes -= len(update)
        return updates

    def at(self, position: int) -> None:
        """Forget what is held of updates up to `position`."""
        for each in [each for each in self._held if each <= position]:
            self._held_bytes -= len(self._held.pop(each))

    def give_up(self) -> None:
        """Forget everything, until one is told again."""
        self._head = self._held_bytes = 0
        self._held.clear()
