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

__all__ = ["CARRIED_UP_TO_BYTES", "Backplane", "Carried", "Committed", "Missed", "News", "Said"]

CARRIED_UP_TO_BYTES = 64 * 1024
"""What is larger is not carried: the others are told its position and read it from the store."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The update at this position of the room is durable; `update` is None where it is to be read from the store.

    The room "" stands for the notices, and the position is then the number of one.
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
    """Some news, in order. `cursor` says how far one is with them."""

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
        comes too.
        """

    async def close(self) -> None:
        """Free what is held."""
