"""How bytes reach the relay."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol
from urllib.parse import quote, urlsplit, urlunsplit

from crdt_sync.errors import ConnectionLost

__all__ = ["Connect", "EndableTransport", "Transport", "TransportReplaced", "room_url"]


class Transport(Protocol):
    """One open connection. Every method raises `ConnectionLost` once it has ended."""

    name: str
    """What the status shows: `websocket` or `polling`."""

    async def send(self, frame: bytes) -> None:
        """Send one message."""

    async def receive(self) -> bytes:
        """Return the next message."""

    def renew(self, token: str) -> None:
        """Show this token from now on, wherever the transport shows one. It raises nothing."""


class Connect(Protocol):
    """Opens connections to one room."""

    def __call__(self, token: str | None) -> AbstractAsyncContextManager[Transport]:
        """Open a connection; it is closed with the block. Raises `ConnectionLost` if it cannot be opened."""


class EndableTransport(Transport, Protocol):
    """A transport that this side can end with a reason."""

    @property
    def token(self) -> str | None:
        """The token that it shows."""

    def end(self, reason: ConnectionLost) -> None:
        """End it: whoever sends or receives gets `reason`."""


class TransportReplaced(ConnectionLost):
    """A better transport is to be had: connect again at once. It is no failure, and nobody is told."""


def room_url(relay: str, room: str, *, under: str = "") -> str:
    """Return the URL of a room. Raises `ValueError` for a relay that is no ws, wss, http or https URL.

    httpx knows proxies for http and https alone, so ws becomes http and wss https; the request stays the same. `under`
    is a path like `/sync` that goes before the room.
    """
    parts = urlsplit(relay)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"{relay!r} is not the URL of a relay; write it like wss://relay.example or ws://127.0.0.1:8765"
        )
    path = f"{parts.path.rstrip('/')}{under}/{quote(room, safe='/')}"
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))
