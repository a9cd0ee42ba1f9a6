"""How relays that share a store tell each other what they have stored, and who is with them: a port and its values.

A backplane makes things fast and keeps nothing that the store lacks. Whatever it loses is found by asking the store,
by position; so an adapter neither retries nor hides that its engine is gone: it raises, and `cluster` comes back.
An adapter of each kind lies in `backplanes/`, the contract in `conformance_backplane`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from crdt_sync_server.errors import BackplaneError

__all__ = [
    "CARRIED_UP_TO_BYTES",
    "SAID_UP_TO_BYTES",
    "Backplane",
    "Carried",
    "Committed",
    "Missed",
    "News",
    "Said",
    "check_said",
    "fit_to_carry",
]

CARRIED_UP_TO_BYTES = 64 * 1024
"""What is larger is not carried: the others are told its position and read it from the store."""
SAID_UP_TO_BYTES = 256 * 1024
"""A backplane refuses longer words."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The update at this position of the room is durable; `update` is None where it is to be read from the store.

    The room "" stands for the notices: there are new ones.
    """

    room: str
    position: int
    update: bytes | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What one relay says to the others, and nobody keeps: presence, and that it lives."""

    node: str
    words: bytes


@dataclass(frozen=True, slots=True)
class Missed:
    """Something may have been lost at this place: ask the store."""


News: TypeAlias = Committed | Said | Missed


@dataclass(frozen=True, slots=True)
class Carried:
    """Some news, in order. `cursor` says how far one is with them.

    There may be none: the first of a subscriber tells where it begins.
    """

    cursor: str
    news: tuple[News, ...]


class Backplane(Protocol):
    """What carries news between relays. Every method raises `BackplaneError`, within seconds, and nothing else."""

    async def publish(self, committed: Sequence[Committed]) -> None:
        """Carry these to all who subscribe, in this order, in as few round trips as can be.

        All see the news of all publishers in one order. After an error some, all or none of them were carried.
        """

    async def say(self, said: Sequence[Said]) -> None:
        """Carry these to those who are subscribed now, in this order; nothing of them is kept."""

    def subscribe(self, after: str | None) -> AbstractAsyncContextManager[AsyncIterator[Carried]]:
        """Give, while the block lasts, what was published after the cursor `after`, then what comes.

        None: from now on. From the moment in which the block is entered nothing is lost but as `Missed` says; that
        comes first where what follows on `after` is not known any more. What a subscriber itself publishes and says
        comes too. Whoever stops waiting for the next loses nothing; who does not keep up is told by an error.
        """

    async def close(self) -> None:
        """Free what is held."""


def fit_to_carry(committed: Sequence[Committed]) -> list[Committed]:
    """Return the same without the updates that are larger than `CARRIED_UP_TO_BYTES`."""
    return [
        Committed(each.room, each.position) if each.update and len(each.update) > CARRIED_UP_TO_BYTES else each
        for each in committed
    ]


def check_said(said: Sequence[Said]) -> None:
    """Raise `BackplaneError` if some words are longer than `SAID_UP_TO_BYTES`."""
    longest = max((len(each.words) for each in said), default=0)
    if longest > SAID_UP_TO_BYTES:
        raise BackplaneError(f"{longest} bytes are too many to say at once; a backplane takes {SAID_UP_TO_BYTES}")
