"""What the relay needs from outside, as small protocols. An adapter of each lies in `stores/` and `auth/`.

Contracts test an adapter: a store's is in `crdt_sync.testing.contracts`, an authenticator's in `conformance`. No
driver's own exception may cross a port.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Authenticator", "ConnectRequest", "Grant", "Store", "Stored"]


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store holds of a room: `updates` in commit order, of which the first may be a snapshot's segments.

    `position` is that of the last update, and `log_length` how many updates follow the snapshot; an unknown room has
    no updates, position 0 and length 0.
    """

    updates: Sequence[bytes]
    position: int
    log_length: int


class Store(Protocol):
    """The durable log of each room. Every method raises `StoreError` and no other exception."""

    async def load(self, room: str) -> Stored:
        """Return all that is stored of `room`."""

    async def append(self, room: str, update: bytes) -> int:
        """Store `update` and return its position, once it is durable.

        Positions of a room rise in the order of the commits: whoever has read up to a position misses nothing below
        it. If it raises, the update may or may not be stored; the caller forgets its state and loads again.
        """

    async def compact(self, room: str, segments: Sequence[bytes], through: int) -> None:
        """Put `segments` in the place of all updates up to the position `through`, at once or not at all."""

    async def check(self) -> None:
        """Return if the store can write now; raise `StoreError` if not."""

    async def close(self) -> None:
        """Finish what was begun, and free what is held."""


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """A connection that asks to come in. Header names are lower case; `client` is the peer's address or None."""

    room: str
    headers: tuple[tuple[str, str], ...]
    query: str
    client: str | None

    def header(self, name: str) -> str | None:
        """Return the first header called `name` (lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class Grant:
    """Who came in: `subject` is None where nobody is asked who they are. `read_only` may look and not edit."""

    subject: str | None
    read_only: bool = False


class Authenticator(Protocol):
    """Decides who comes in: once for a WebSocket, at each request of a client that polls.

    For a page that polls it is asked once more without a token, as its preflight carries none. Raise `Forbidden` then
    only if you have something against the origin, and `Unauthenticated` if the token is all that is missing.
    """

    async def authenticate(self, request: ConnectRequest) -> Grant:
        """Return the grant of this connection. Raises `Unauthenticated` or `Forbidden`, and no other exception."""
