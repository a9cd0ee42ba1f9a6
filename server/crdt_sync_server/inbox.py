"""What has arrived for one room and waits for its turns, within a bound for each peer.

A turn takes a share of it: so what a flood brings is on its way to the readers while the rest is still being applied.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from crdt_sync.protocol.messages import Message
from crdt_sync_server.turn import Arrival, Received

__all__ = ["MAX_INBOX_BYTES_PER_PEER", "MAX_TURN_BYTES", "Inbox"]

MAX_INBOX_BYTES_PER_PEER = 1024 * 1024
"""A peer is not read from while more than this waits for its room's turns."""
MAX_TURN_BYTES = 96 * 1024
"""A turn takes no more than this, but for its last message: some 250 highlights, 4 ms of work."""

Peer = TypeVar("Peer", bound=Hashable)


class Inbox(Generic[Peer]):
    """Arrivals in order."""

    __slots__ = ("_arrivals", "_bytes", "_own_bytes", "_when_taken")

    def __init__(self) -> None:
        self._arrivals: list[tuple[Arrival[Peer], int]] = []  # each with its bytes; an empty deque takes 760 bytes
        self._bytes: dict[Peer, int] = {}
        self._own_bytes = 0  # of what no peer said
        self._when_taken: list[tuple[Peer, Callable[[], None]]] = []

    def __bool__(self) -> bool:
        return bool(self._arrivals)

    @property
    def size_bytes(self) -> int:
        """The bytes of what waits."""
        return sum(self._bytes.values(), self._own_bytes)

    def put(self, arrival: Arrival[Peer], size_bytes: int = 0) -> None:
        """Add who came or left, or in `size_bytes` what is the relay's own to write or to tell."""
        self._arrivals.append((arrival, size_bytes))
        self._own_bytes += size_bytes

    def offer(self, peer: Peer, messages: Sequence[Message], size_bytes: int) -> bool:
        """Add what `peer` said in `size_bytes`, in order; return False if it is to say no more until that is taken."""
        if not messages:
            return self._bytes.get(peer, 0) <= MAX_INBOX_BYTES_PER_PEER
        for message in messages[:-1]:
            self._arrivals.append((Received(peer, message), 0))
        self._arrivals.append((Received(peer, messages[-1]), size_bytes))
        waiting = self._bytes[peer] = self._bytes.get(peer, 0) + size_bytes
        return waiting <= MAX_INBOX_BYTES_PER_PEER

    def when_taken(self, peer: Peer, callback: Callable[[], None]) -> None:
        """Call `callback` once half of what `peer` may have waiting is free again."""
        self._when_taken.append((peer, callback))

    def forget(self, peer: Peer) -> None:
        """Count nothing more for a peer that has left; what it said stays."""
        self._bytes.pop(peer, None)

    def take(self) -> tuple[list[Arrival[Peer]], int]:
        """Return what is next, up to `MAX_TURN_BYTES` or one message more, and its bytes."""
        taken: list[Arrival[Peer]] = []
        taken_bytes = 0
        for arrival, size_bytes in self._arrivals:
            if taken_bytes >= MAX_TURN_BYTES:
                break
            taken.append(arrival)
            if size_bytes:
                taken_bytes += size_bytes
                if isinstance(arrival, Received):
                    self._freed(arrival.peer, size_bytes)
                else:
                    self._own_bytes -= size_bytes
        del self._arrivals[: len(taken)]
        if self._when_taken:
            self._let_go_on()
        return taken, taken_bytes

    def _freed(self, peer: Peer, size_bytes: int) -> None:
        waiting = self._bytes.get(peer)
        if waiting is None:  # it has left
            return
        if waiting > size_bytes:
            self._bytes[peer] = waiting - size_bytes
        else:
            del self._bytes[peer]

    def _let_go_on(self) -> None:
        waiting, self._when_taken = self._when_taken, []
        for peer, callback in waiting:
            if self._bytes.get(peer, 0) * 2 <= MAX_INBOX_BYTES_PER_PEER:
                callback()
            else:
                self._when_taken.append((peer, callback))
