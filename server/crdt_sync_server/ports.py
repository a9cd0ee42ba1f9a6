"""What the relay needs from outside, as small protocols. An adapter of each lies in `stores/` and `auth/`.

What is kept beside the rooms has its own in `keepers`. Contracts test an adapter: a store's is in
`crdt_sync.testing.contracts`, an authenticator's in `conformance`. No driver's own exception may cross a port.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

__all__ = [
    "Authenticator",
    "Authority",
    "ConnectRequest",
    "Directory",
    "Grant",
    "Heads",
    "Identity",
    "Notice",
    "NoticeKind",
    "Posted",
    "Poster",
    "Role",
    "RoomRecord",
    "RoomStore",
    "SharedStore",
    "Store",
    "Stored",
]


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store holds of a room: `updates` in commit order, of which the first may be a snapshot's segments.

    `position` is that of the last update, and `log_length` how many updates follow the snapshot; an unknown room has
    no updates, position 0 and length 0. `owner` is the subject whose storage the room counts for, if it has one.
    """

    updates: Sequence[bytes]
    position: int
    log_length: int
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class RoomRecord:
    """What a store knows of a room without reading it: bytes that are stored, and updates since its last compaction.

    `changed_ms` and `deleted_ms` are of the wall clock, in milliseconds since 1970, None where that is not known or has
    not happened. A deleted room keeps its record, with 0 bytes: the tombstone.
    """

    name: str
    owner: str | None
    size_bytes: int
    log_length: int
    changed_ms: int | None
    deleted_ms: int | None


class Store(Protocol):
    """The durable log of each room.

    Every method raises `StoreError`, and for a room that was deleted `load`, `append` and `compact` raise
    `RoomDeleted`; no other exception comes out.
    """

    async def load(self, room: str) -> Stored:
        """Return all that is stored of `room`."""

    async def append(self, room: str, update: bytes, owner: str | None = None) -> int:
        """Store `update` and return its position, once it is durable. `owner` is kept with the first of a room.

        Positions of a room rise in the order of the commits: whoever has read up to a position misses nothing below
        it. If it raises, the update may or may not be stored; the caller forgets its state and loads again.
        """

    async def compact(self, room: str, segments: Sequence[bytes], through: int) -> None:
        """Put `segments` in the place of all updates up to the position `through`, at once or not at all.

        Others can load and append meanwhile, also in this room. Raises `Superseded` if the room has a snapshot of a
        later position.
        """

    async def delete(self, room: str) -> None:
        """Erase all that is stored of `room` and keep a tombstone, at once or not at all. A second time is no error.

        A snapshot that is being stored meanwhile is erased with it.
        """

    async def check(self) -> None:
        """Return if the store can write now; raise `StoreError` if not."""

    async def close(self) -> None:
        """Finish what was begun, and free what is held."""


class Directory(Protocol):
    """What is in a store. Every method raises `StoreError` and no other exception."""

    async def rooms(self, name: str | None = None) -> Sequence[RoomRecord]:
        """Return the records of all rooms by name, tombstones included, or of the one called `name`, if any."""

    async def under(self, room: str) -> Sequence[RoomRecord]:
        """Return the records of `room` and of all rooms whose names begin with `<room>/`, by name."""

    async def usage(self, owner: str) -> int:
        """Return the bytes that are stored of all rooms of `owner`."""

    async def damage(self) -> Sequence[str]:
        """Return what is wrong with the medium, in words; nothing if it is sound."""

    async def erased(self) -> bool:
        """Take what was deleted or put together before off the medium; return whether nothing of it can be left there.

        A large store says False, rather than make others wait while it is written anew. Raises `StoreError` if
        something keeps that from being done now, such as a backup that is being made.
        """


class RoomStore(Store, Directory, Protocol):
    """Both in one, as the adapters are."""


class NoticeKind(StrEnum):
    """What the relays of one store tell each other about, beside what the rooms hold."""

    DELETED = "deleted"
    """`about` names a room that was deleted."""
    ROLES = "roles"
    """`about` names a room whose roster was changed."""
    REVOKED = "revoked"
    """`about` is the id of a token that was revoked."""
    WEBHOOKS = "webhooks"
    """A webhook was added or removed; `about` is its id."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What was done, in the transaction that did it. `node` is the relay or command that did, by its random id."""

    number: int
    kind: NoticeKind
    about: str
    node: str


@dataclass(frozen=True, slots=True)
class Heads:
    """How far a shared store is: the last position of each room that was asked for, and the number of the last notice.

    A room of which nothing is stored has the position 0.
    """

    rooms: Mapping[str, int]
    notice: int


class SharedStore(RoomStore, Protocol):
    """A store that several relays have open at once, each with an id of its own.

    The positions of a room are 1, 2, 3 and so on, without a gap and in the order of the commits; so are the numbers of
    the notices. If it can tell that what is stored is not the continuation of what it has returned, every method raises
    `StorePutBack` from then on and does nothing, until `renew`. What it keeps beside the rooms (`keepers`) writes a
    notice with every change.
    """

    @property
    def node(self) -> str:
        """The id of who has opened it here."""

    @property
    def installation(self) -> str:
        """What tells this store from others that relays may share: a few letters, the same for all who open it."""

    def renew(self) -> None:
        """Go on with what is stored now, after `StorePutBack`: nothing is held any more of what was stored before."""

    async def since(self, room: str, after: int) -> Stored:
        """Return what is stored of `room` after the position `after`.

        The first of the updates are a snapshot's segments if that covers updates after `after`. Raises `StoreError`,
        and `RoomDeleted`.
        """

    async def heads(self, rooms: Sequence[str]) -> Heads:
        """Return how far these rooms and the notices are, in one round trip. Raises `StoreError`."""

    async def notices(self, after: int) -> Sequence[Notice] | None:
        """Return the notices after the number `after`, or None if some of them are no longer kept. Raises `StoreError`.

        They are kept for a day at least.
        """


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """A connection that asks to come in. Header names are lower case; `client` is the peer's address or None.

    `room` is empty where a request is of no room.
    """

    room: str
    headers: tuple[tuple[str, str], ...]
    query: str
    client: str | None

    def header(self, name: str) -> str | None:
        """Return the first header called `name` (lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)


class Role(StrEnum):
    """What a subject may do in a room: a reader looks, an editor edits, an owner also says who else may."""

    OWNER = "owner"
    EDITOR = "editor"
    READER = "reader"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: `subject` is None where nobody is asked who they are, `name` what the token calls them.

    It holds until `expires_at_s`, of the wall clock in seconds since 1970; None: for as long as nobody revokes it.
    `token_id` names the token to who may revoke it, if that can be done, and `device` is what the token is called.
    """

    subject: str | None
    expires_at_s: float | None = None
    name: str | None = None
    token_id: str | None = None
    device: str | None = None


class Authenticator(Protocol):
    """Says who asks: once for a WebSocket and for each fresh token that comes over it, at each request over HTTP.

    For a page that polls it is asked once more without a token, as its preflight carries none. Raise `Forbidden` then
    only if you have something against the origin, and `Unauthenticated` if the token is all that is missing.
    """

    async def authenticate(self, request: ConnectRequest) -> Identity:
        """Return who asks. Raises `Unauthenticated` or `Forbidden`, or another `RelayError` if it cannot tell now."""


class Authority(Protocol):
    """Says what a subject may do in a room."""

    async def role(self, identity: Identity, room: str) -> Role | None:
        """Return the role, or None for nothing at all: who asks is not even told whether the room exists.

        Raises `RelayError` if it cannot tell now.
        """


@dataclass(frozen=True, slots=True)
class Grant:
    """What a connection was let in with. `read_only` may look and not edit.

    Two grants are equal if they allow the same: a fresh token of the same subject moves `expires_at_s` alone.
    """

    subject: str | None
    read_only: bool = False
    role: Role = Role.EDITOR
    expires_at_s: float | None = field(default=None, compare=False)
    name: str | None = field(default=None, compare=False)
    as_of: int = field(default=0, compare=False)
    """How many roles had changed when this was asked for (`Host.roles_changed`)."""
    token_id: str | None = field(default=None, compare=False)
    device: str | None = field(default=None, compare=False)
    """What the client calls its device, else what its token is called."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A receiver's answer: its status, and for how many seconds it asks not to be called, if it does."""

    status: int
    retry_after_s: float | None = None


class Poster(Protocol):
    """Sends to the receivers of webhooks. Each call is bounded in time and in what is read of the answer."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Posted:
        """Send one POST and return what came back, whatever it says; a redirect is an answer like another.

        Raises `ReceiverFailed` if nothing did.
        """

    async def close(self) -> None:
        """Free what is held."""
