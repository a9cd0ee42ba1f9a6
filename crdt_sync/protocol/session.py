"""One connection's sync, as a state machine that serves both ends; the role is a parameter.

Feed it what arrives, and do what it returns, in order. It never sees a document: when it says `Take`, try to apply the
update and tell it with `taken` (the update stands in the document) or `gapped` (a predecessor is missing).

    start ──► Ask ──► step 2 taken: synced
                      gapped update: Ask again (one outstanding at most), hold barriers ──► step 2 taken: healed
                                                                                      └──► step 2 gapped, or 10 s: Close

Its rules:

1. Content goes to the peer only after the peer's step 1 has been answered (`may_send`), so nothing overtakes a step 2.
2. A relay echoes a barrier after everything that it received before it is durable, and never while a gap is open.
3. A client that gets no echo of its first barrier within 3 s of its sync sends no more, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from crdt_sync.errors import LocalProtocolError
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import (
    Awareness,
    AwarenessEntry,
    Barrier,
    FreshToken,
    Message,
    PermissionDenied,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    TokenHolds,
    Unknown,
)

__all__ = [
    "HEAL_WITHIN_S",
    "MAX_HELD_BARRIERS",
    "PROBE_WITHIN_S",
    "Acknowledged",
    "Answer",
    "Ask",
    "Close",
    "Confirms",
    "Denied",
    "Echo",
    "Effect",
    "Presence",
    "Renew",
    "Role",
    "SendBarrier",
    "Session",
    "Synced",
    "Take",
    "TellPresence",
]

HEAL_WITHIN_S = 10.0
"""How long a peer may leave a gap open."""
PROBE_WITHIN_S = 3.0
"""How long after its sync a client waits for the echo of its first barrier."""
MAX_HELD_BARRIERS = 1024


class Role(Enum):
    """Which end this is."""

    CLIENT = "client"
    RELAY = "relay"


@dataclass(frozen=True, slots=True)
class Ask:
    """Send step 1 with the state vector of the document."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Send step 2: what the peer, at this encoded state vector, does not have."""

    state_vector: bytes


@dataclass(frozen=True, slots=True)
class Take:
    """Apply the update, then call `taken` or `gapped`. `is_step_2` says that it answers our step 1."""

    update: bytes
    is_step_2: bool


@dataclass(frozen=True, slots=True)
class Echo:
    """Relay: send the barrier back once everything taken before is durable."""

    number: int


@dataclass(frozen=True, slots=True)
class SendBarrier:
    """Client: send the barrier after everything that was sent before."""

    number: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Client: all that was sent before the barrier `number` is durable on the relay."""

    number: int


@dataclass(frozen=True, slots=True)
class Confirms:
    """Client: whether the peer answers barriers at all."""

    storage: bool


@dataclass(frozen=True, slots=True)
class Synced:
    """What the peer had is here. It comes once."""


@dataclass(frozen=True, slots=True)
class Presence:
    """The peer speaks about who is here."""

    entries: tuple[AwarenessEntry, ...]


@dataclass(frozen=True, slots=True)
class TellPresence:
    """Send the presence of all."""


@dataclass(frozen=True, slots=True)
class Denied:
    """Client: the relay refused something, and this is why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Renew:
    """Client: the connection ends in so many seconds, unless a fresh token comes before."""

    within_s: int


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection with this code."""

    code: CloseCode
    reason: str


Effect: TypeAlias = (
    Ask
    | Answer
    | Take
    | Echo
    | SendBarrier
    | Acknowledged
    | Confirms
    | Synced
    | Presence
    | TellPresence
    | Denied
    | Renew
    | Close
)


class Session:
    """The sync of one connection. A new connection starts a new session."""

    __slots__ = (
        "_asked",
        "_awaited",
        "_confirms",
        "_heal_by_s",
        "_held",
        "_probe_by_s",
        "_role",
        "_synced",
        "may_send",
    )

    def __init__(self, role: Role) -> None:
        self._role = role
        self._asked = False  # a step 1 of ours is out
        self._synced = False
        self._heal_by_s: float | None = None  # set while a gap is open
        self._held: list[int] = []  # barriers that wait for the gap to close
        self._awaited: list[int] = []  # barriers that we sent
        self._confirms: bool | None = None
        self._probe_by_s: float | None = None
        self.may_send = False
        """Whether the peer's step 1 has been answered: updates may go out."""

    def start(self) -> tuple[Effect, ...]:
        """Return what opens the conversation."""
        self._asked = True
        if self._role is Role.RELAY:
            return (Ask(),)
        self._awaited.append(0)
        return (Ask(), SendBarrier(0))

    def receive(self, message: Message) -> tuple[Effect, ...]:
        """Return what `message` asks of us."""
        match message:
            case SyncUpdate(update=update):
                return (Take(update, is_step_2=False),)
            case SyncStep1(state_vector=state_vector):
                return (Answer(state_vector),)
            case SyncStep2(update=update):
                return (Take(update, is_step_2=True),)
            case Awareness(entries=entries):
                return (Presence(entries),) if entries else ()
            case QueryAwareness():
                return (TellPresence(),)
            case Barrier(number=number):
                return tuple(self._barrier(number))
            case PermissionDenied(reason=reason):
                return (Denied(reason),) if self._role is Role.CLIENT else ()
            case TokenHolds(seconds=seconds):
                return (Renew(seconds),) if self._role is Role.CLIENT else ()
            case FreshToken() | Unknown():
                return ()

    def answered(self) -> None:
        """Say that step 2 is on its way: updates may follow it."""
        self.may_send = True

    def taken(self, take: Take, now_s: float) -> tuple[Effect, ...]:
        """Say that the update stands in the document. A relay commits it before it does what follows."""
        if not take.is_step_2:
            return ()
        self._asked = False
        self._heal_by_s = None
        effects: list[Effect] = [Echo(number) for number in self._held]
        self._held.clear()
        if not self._synced:
            self._synced = True
            if self._role is Role.CLIENT and self._confirms is None:
                self._probe_by_s = now_s + PROBE_WITHIN_S
            effects.append(Synced())
        return tuple(effects)

    def gapped(self, take: Take, now_s: float) -> tuple[Effect, ...]:
        """Say that the update was dropped because it needs what the document does not have."""
        if take.is_step_2:
            return (Close(CloseCode.TRY_AGAIN, "step 2 needs content that was never sent"),)
        if self._heal_by_s is None:
            self._heal_by_s = now_s + HEAL_WITHIN_S
        if self._asked:
            return ()
        self._asked = True
        return (Ask(),)

    def barrier(self, number: int) -> tuple[Effect, ...]:
        """Client: ask for a confirmation of all that was sent so far. Nothing comes of it if the peer gives none."""
        if self._role is Role.RELAY:
            raise LocalProtocolError("only a client asks for a barrier")
        if self._confirms is False:
            return ()
        self._awaited.append(number)
        return (SendBarrier(number),)

    def deadline_s(self) -> float | None:
        """Return when `expire` must be called, or None."""
        return min((at for at in (self._heal_by_s, self._probe_by_s) if at is not None), default=None)

    def expire(self, now_s: float) -> tuple[Effect, ...]:
        """Return what follows from time alone."""
        if self._heal_by_s is not None and self._heal_by_s <= now_s:
            return (Close(CloseCode.TRY_AGAIN, "an update needs content that was not sent within 10 s"),)
        if self._probe_by_s is not None and self._probe_by_s <= now_s:
            self._probe_by_s = None
            self._confirms = False
            return (Confirms(storage=False),)
        return ()

    def _barrier(self, number: int) -> Iterator[Effect]:
        if self._role is Role.RELAY:
            if self._heal_by_s is None:
                yield Echo(number)
            elif len(self._held) < MAX_HELD_BARRIERS:
                self._held.append(number)
            else:
                yield Close(CloseCode.POLICY, "too many barriers behind a gap")
            return
        if number not in self._awaited:
            return  # not ours: a client answers no barriers
        del self._awaited[: self._awaited.index(number) + 1]
        self._probe_by_s = None
        if not self._confirms:
            self._confirms = True
            yield Confirms(storage=True)
        yield Acknowledged(number)
