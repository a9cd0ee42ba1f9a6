"""When the others are told who is here: at once while that is rare, and together while it is not.

Two hundred people who move their cursors ten times a second would make 400,000 frames a second, one for each move and
each reader. Nobody sees more than one in a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import anyio

from crdt_sync.protocol.messages import Awareness, AwarenessEntry, encode
from crdt_sync_server.outbox import Outbox

__all__ = ["Announcer"]

EVERY_S = 0.01
"""What is told to several waits for this long after the last time, so it goes into one frame."""


class Told(Protocol):
    """Who is told."""

    outbox: Outbox


class Announcer:
    """The presence of one room on its way out. Of each client the latest is told."""

    __slots__ = ("_beside", "_entries", "_now", "_peers", "_told_s")

    def __init__(self, now: Callable[[], float], beside: Callable[..., None]) -> None:
        """`beside` runs a coroutine function with its arguments."""
        self._now = now
        self._beside = beside
        self._told_s = float("-inf")
        self._entries: dict[int, AwarenessEntry] = {}
        self._peers: dict[Told, None] = {}

    def tell(self, entries: tuple[AwarenessEntry, ...], peers: Iterable[Told]) -> None:
        """Tell `peers`, now or soon."""
        peers = tuple(peers)
        if len(peers) == 1 and peers[0] not in self._peers:  # nothing is saved, and who joins waits for it
            _say(entries, peers)
            return
        waits = bool(self._peers)
        self._entries.update((entry.client_id, entry) for entry in entries)
        self._peers.update(dict.fromkeys(peers))
        wait_s = self._told_s + EVERY_S - self._now()
        if wait_s <= 0 and not waits:
            self._tell()
        elif not waits:
            self._beside(self._tell_in, wait_s)

    async def _tell_in(self, wait_s: float) -> None:
        await anyio.sleep(wait_s)
        self._tell()

    def _tell(self) -> None:
        entries, self._entries = self._entries, {}
        peers, self._peers = self._peers, {}
        self._told_s = self._now()
        _say(tuple(entries.values()), peers)


def _say(entries: tuple[AwarenessEntry, ...], peers: Iterable[Told]) -> None:
    frame = encode(Awareness(entries))
    for peer in peers:
        peer.outbox.presence(entries, frame)
