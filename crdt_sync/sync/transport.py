"""How bytes reach the relay."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

__all__ = ["Connect", "Transport"]


class Transport(Protocol):
    """One open connection. Every method raises `ConnectionLost` once it has ended."""

    name: str
    """What the status shows: `websocket`."""

    async def send(self, frame: bytes) -> None:
        """Send one message."""

    async def receive(self) -> bytes:
        """Return the next message."""


class Connect(Protocol):
    """Opens connections to one room."""

    def __call__(self, token: str | None) -> AbstractAsyncContextManager[Transport]:
        """Open a connection; it is closed with the block. Raises `ConnectionLost` if it cannot be opened."""
