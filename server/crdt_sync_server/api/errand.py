"""A peer of a room for one request: it comes in, asks or brings one thing, and leaves.

So the room decides on a request what it decides on a connection: roles, quotas, gaps, quarantine, the commit before the
answer. Rates are of a subject, or of an address in open mode, and hold over its requests.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import Barrier, Message, SyncStep1, SyncStep2, decode
from crdt_sync_server.conduct import Conduct
from crdt_sync_server.errors import RelayError
from crdt_sync_server.hosted_room import HostedRoom
from crdt_sync_server.limits import Limit, LimitReached, Limits, TokenBucket
from crdt_sync_server.outbox import Closing
from crdt_sync_server.peer import RoomPeer
from crdt_sync_server.ports import Grant

__all__ = ["Conducts", "Ended", "Errand"]

ANSWER_WITHIN_S = 60.0
MAX_SLOWED_S = 20.0
"""A request that would have to wait longer for its rate is told to come later."""
MAX_CONDUCTS = 10_000
"""How many subjects' rates are kept; the one that has not asked for longest is forgotten first."""

Wanted = TypeVar("Wanted", bound=Message)


class Ended(RelayError):
    """The room ended the errand, with the close code and the reason that a connection would get."""

    def __init__(self, closing: Closing, room_vector: bytes | None) -> None:
        super().__init__(closing.reason)
        self.close_code = closing.code
        self.room_vector = room_vector


Kept = TypeVar("Kept")


class Conducts:
    """How each subject or address behaves over its requests."""

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self._limits = limits
        self._now = now
        self._conducts: OrderedDict[str, Conduct] = OrderedDict()
        self._changes: OrderedDict[str, TokenBucket] = OrderedDict()

    def of(self, grant: Grant, client: str | None) -> Conduct:
        """Return the conduct of who has this grant."""
        return _kept(self._conducts, _who(grant.subject, client), lambda: Conduct(self._limits, self._now()))

    def change(self, subject: str | None, client: str | None) -> None:
        """Count a change of rosters or tokens. Raises `LimitReached` if it is one too many."""
        per_minute, now_s = self._limits.changes_per_minute, self._now()

        def new() -> TokenBucket:
            return TokenBucket(per_s=per_minute / 60, burst=self._limits.changes_burst, now_s=now_s)

        if not _kept(self._changes, _who(subject, client), new).take(1, now_s):
            wait_s = math.ceil(60 / per_minute)
            words = f"{Limit.CHANGES.words}; try again in {wait_s} s"
            raise LimitReached(Limit.CHANGES, words, retry_after_s=wait_s)


def _who(subject: str | None, client: str | None) -> str:
    return f"subject {subject}" if subject is not None else f"address {client}"


def _kept(every: OrderedDict[str, Kept], key: str, make: Callable[[], Kept]) -> Kept:
    """Return what is kept under `key`, made if need be; one more than may be kept pushes out the longest unused."""
    found = every.get(key)
    if found is None:
        found = every[key] = make()
        if len(every) > MAX_CONDUCTS:
            every.popitem(last=False)
    every.move_to_end(key)
    return found


class Errand(RoomPeer):
    """The peer. It is in the room within `inside`."""

    transport = "api"

    def __init__(
        self,
        room: HostedRoom,
        conduct: Conduct,
        *,
        now: Callable[[], float],
        limits: Limits,
        grant: Grant,
        client: str | None,
    ) -> None:
        super().__init__(room, max_message_bytes=0, now=now, limits=limits, grant=grant, client=client)
        self._conduct = conduct
        self._bell = anyio.Event()
        self._room_vector: bytes | None = None
        self.version = ""
        """The room's version as this came in. What is read later has all of it."""

    async def read(self, state_vector: bytes) -> bytes:
        """Return the update with what is durable and `state_vector` lacks. Raises `Ended`, `LimitReached`."""
        await self._say(len(state_vector), SyncStep1(state_vector))
        return (await self._until(SyncStep2)).update

    async def write(self, update: bytes) -> None:
        """Return once the update is durable. Raises `Ended`, with all that is not taken, and `LimitReached`.

        It is said as the answer to the relay's question, so one with a gap is refused at once, and not waited for.
        """
        if not self.read_only:
            await self._until(SyncStep1)
        await self._say(len(update), SyncStep2(update), Barrier(1))
        await self._until(Barrier)

    def _wake(self) -> None:
        self._bell.set()

    async def _say(self, size_bytes: int, *messages: Message) -> None:
        self._metrics.received_bytes += size_bytes
        kept, wait_s = self._conduct.judge(list(messages), size_bytes, self._now())
        if wait_s > MAX_SLOWED_S:
            raise LimitReached(Limit.REQUESTS, "more has come than your rate allows; come back later")
        if wait_s > 0:
            await anyio.sleep(wait_s)
        self._room.offer(self, kept, size_bytes)

    async def _until(self, wanted: type[Wanted]) -> Wanted:
        with anyio.move_on_after(ANSWER_WITHIN_S):
            while True:
                item = await self._next()
                if item is None:
                    self._bell = anyio.Event()
                    await self._bell.wait()
                elif isinstance(item, Closing):
                    raise Ended(item, self._room_vector)
                else:
                    for message in decode(item, max_bytes=len(item)):
                        if isinstance(message, SyncStep1):
                            self._room_vector = message.state_vector
                        if isinstance(message, wanted):
                            return message
        raise Ended(Closing(CloseCode.OVERLOADED, "the room did not answer in time; try again"), None)

    @asynccontextmanager
    async def inside(self) -> AsyncIterator[Errand]:
        """Be in the room for as long as the block lasts. Raises `RelayError` if it cannot be had."""
        await self._room.enter(self)
        self.version = self._room.version
        try:
            yield self
        finally:
            self._gone()
