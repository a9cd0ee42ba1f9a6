"""The values of a turn of a room: what arrives, and what is to be done about it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from pycrdt import Doc

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import AwarenessEntry, Message
from crdt_sync.protocol.session import Answer, Ask, Echo
from crdt_sync_server.limits import Limit, LimitReached

__all__ = [
    "Arrival",
    "AskedElsewhere",
    "Content",
    "Durable",
    "Elsewhere",
    "Frame",
    "HangUp",
    "Joined",
    "Left",
    "NodeGone",
    "OfPeer",
    "Offence",
    "Output",
    "PresenceOf",
    "Received",
    "Regraded",
    "Spoken",
    "SpokenElsewhere",
    "Turn",
    "Written",
]

Peer = TypeVar("Peer", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Joined(Generic[Peer]):
    """A peer is in; its session starts. `subject` is who it is, if known. The higher its `number`, the newer."""

    peer: Peer
    subject: str | None = None
    read_only: bool = False
    number: int = 0


@dataclass(frozen=True, slots=True)
class Regraded(Generic[Peer]):
    """What a peer may do has changed; what it said before this counts as it did then."""

    peer: Peer
    read_only: bool


@dataclass(frozen=True, slots=True)
class Received(Generic[Peer]):
    """A peer said this."""

    peer: Peer
    message: Message


@dataclass(frozen=True, slots=True)
class Left(Generic[Peer]):
    """A peer's connection is gone."""

    peer: Peer


@dataclass(frozen=True, slots=True)
class Written:
    """The relay itself writes: `write` is given the document in its turn, and `done` is called once that is durable.

    `write` may raise nothing; for a document that may not grow by `size_bytes` any more `refuse` is called instead.
    """

    write: Callable[[Doc[Any]], None]
    refuse: Callable[[LimitReached], None]
    done: Callable[[], None]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one connection of one relay shows, for the other relays: `number` and `subject` are those of its `Joined`.

    `is_over`: the connection is gone, and whatever it showed with it.
    """

    number: int
    subject: str | None
    entries: tuple[AwarenessEntry, ...] = ()
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Who speaks for a client: the connection of this number, on another relay."""

    node: str
    number: int


@dataclass(frozen=True, slots=True)
class SpokenElsewhere:
    """A connection of another relay shows this."""

    node: str
    spoken: Spoken


@dataclass(frozen=True, slots=True)
class NodeGone:
    """Another relay is gone, and with it whoever was there."""

    node: str


@dataclass(frozen=True, slots=True)
class AskedElsewhere:
    """Another relay asks who is here."""


OfPeer: TypeAlias = Joined[Peer] | Regraded[Peer] | Received[Peer] | Left[Peer]
Arrival: TypeAlias = OfPeer[Peer] | Written | SpokenElsewhere | NodeGone | AskedElsewhere


@dataclass(frozen=True, slots=True)
class Frame(Generic[Peer]):
    """Send this to one peer."""

    peer: Peer
    frame: bytes


@dataclass(frozen=True, slots=True)
class Content(Generic[Peer]):
    """Send this update to these peers; `moved` are the clocks that it moved in the document's state vector.

    `updates` says how many updates of peers are in it.
    """

    update: bytes
    moved: dict[int, int]
    peers: tuple[Peer, ...]
    updates: int = 1


@dataclass(frozen=True, slots=True)
class PresenceOf(Generic[Peer]):
    """Tell these peers who is here."""

    entries: tuple[AwarenessEntry, ...]
    peers: tuple[Peer, ...]


@dataclass(frozen=True, slots=True)
class HangUp(Generic[Peer]):
    """Close this peer's connection; it is no longer in the room. `limit` says which bound it met, if one."""

    peer: Peer
    code: CloseCode
    reason: str
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class Offence(Generic[Peer]):
    """Count a mistake of this peer."""

    peer: Peer
    words: str


@dataclass(frozen=True, slots=True)
class Durable:
    """Tell who wrote for the relay that it is stored."""

    done: Callable[[], None]


Output: TypeAlias = Frame[Peer] | Content[Peer] | PresenceOf[Peer] | HangUp[Peer] | Offence[Peer] | Durable


@dataclass(slots=True)
class Turn(Generic[Peer]):
    """What one take gave: `at_once` may go out now, `update` (if any) must be durable before `release`.

    `updates` and `growth_bytes` are of the updates that were taken into it; `subject_left_bytes` bounds the latter.
    """

    subject_left_bytes: int | None = None
    updates: int = 0
    growth_bytes: int = 0
    at_once: list[Output[Peer]] = field(default_factory=list)
    update: bytes | None = None
    moved: dict[int, int] = field(default_factory=dict)
    after_commit: list[tuple[Peer, Ask | Answer | Echo]] = field(default_factory=list)
    written: list[Durable] = field(default_factory=list)
    spoken: list[Spoken] = field(default_factory=list)
    """What of presence came from who is here: for the other relays, if there are any."""
