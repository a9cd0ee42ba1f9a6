"""What has arrived for one room and waits for its next turn, within a bound for each peer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from crdt_sync.protocol.messages import Message
from crdt_sync_server.room import Arrival, Received

__all__ = ["MAX_INBOX_BYTES_PER_PEER", "Inbox"]

MAX_INBOX_BYTES_PER_PEER = 1024 * 1024
"""A peer is not read from while more than this waits for its room's next turn."""

Peer = TypeVar("Peer", bound=Hashable)


class Inbox(Generic[Peer]):
    """Arrivals in order."""

    __slots__ = ("_arrivals", "_bytes", "_own_bytes", "_when_taken")

    def __init__(self) -> None:
        self._arrivals: list[Arrival[Peer]] = []
        self._bytes: dict[Peer, int] = {}
        self._own_bytes = 0  # of what the relay itself is to write
        self._when_taken: list[Callable[[], None]] = []

    def __bool__(self) -> bool:
        return bool(self._arrivals)

    @property
    def size_bytes(self) -> int:
        """The bytes of what waits."""
        return sum(self._bytes.values(), self._own_bytes)

    def put(self, arrival: Arrival[Peer], size_bytes: int = 0) -> None:
        """Add who came or left, or what the relay itself is to write."""
        self._arrivals.append(arrival)
        self._own_bytes += size_bytes

    def offer(self, peer: Peer, messages: Iterable[Message], size_bytes: int) -> bool:
        """Add what `peer` said, in order; return False if it is to say no more until that is taken."""
        self._arrivals.extend(Received(peer, message) for message in messages)
        waiting = self._bytes[peer] = self._bytes.get(peer, 0) + size_bytes
        return waiting <= MAX_INBOX_BYTES_PER_PEER

    def when_taken(self, callback: Callable[[], None]) -> None:
        """Call `callback` once what waits is taken."""
        self._when_taken.append(callback)

    def forget(self, peer: Peer) -> None:
        """Count nothing more for a peer that has left; what it said stays."""
        self._bytes.pop(peer, None)

    def take(self) -> list[Arrival[Peer]]:
        """Return what waits. Those who wait go on, and more may come at once."""
        arrivals, self._arrivals = self._arrivals, []
        self._bytes.clear()
        self._own_bytes = 0
        if self._when_taken:
            waiting, self._when_taken = self._when_taken, []
            for callback in waiting:
                callback()
        return arrivals
