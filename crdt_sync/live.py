"""What an open library and open discussions have in common: how they stand, their connection, and their end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar

import anyio

from crdt_sync.feeds import DiscussionStatus, Follower, Latest, Status
from crdt_sync.groups import telling_error
from crdt_sync.sync.credentials import Token
from crdt_sync.sync.fallback import FallbackConnect
from crdt_sync.sync.loop import Link, State, SyncLoop
from crdt_sync.sync.presence import Presence
from crdt_sync.sync.replica import Replica
from crdt_sync.sync.transport import Connect
from crdt_sync.worker import Worker

if TYPE_CHECKING:
    import httpx

__all__ = ["Live", "StatusValue", "TransportChoice"]

TransportChoice: TypeAlias = Literal["auto", "websocket", "polling"]

Counts = TypeVar("Counts")
StatusValue = TypeVar("StatusValue", Status, DiscussionStatus)


class Live(ABC, Generic[StatusValue, Counts]):
    """A file that is open here and kept in step with a room of a relay.

    `Counts` is what the file counts for the status; `counts` is what they are before they are read.
    """

    def __init__(
        self,
        worker: Worker,
        random: Random,
        now: Callable[[], float],
        *,
        first_state: State,
        counts: Counts,
        close_within_s: float,
    ) -> None:
        self.close_within_s = close_within_s
        """How long leaving the block may wait for the relay, in seconds."""
        self._worker = worker
        self._random = random
        self._now = now
        self._first_link = Link(first_state)
        self._counts = counts
        self._readings = self._told = 0
        self._loop: SyncLoop | None = None
        self._fallback: FallbackConnect | None = None
        self._status: Latest[StatusValue] = Latest(self._status_of(self._first_link))

    @property
    def status(self) -> StatusValue:
        """How it stands now."""
        return self._status.value

    def status_changes(self) -> Follower[StatusValue]:
        """Yield the status now and whenever it has changed."""
        return self._status.follow()

    def reconnect(self) -> None:
        """Try to connect at once: the network has changed, the machine has slept, or somebody has signed in.

        It starts again also where the relay had refused and that was lifted: who was removed is invited again, a reader
        may edit. It stays `STOPPED`, and `status.last_error` says why, where a document was deleted, the callable gave
        a token of another account, a refused token is no callable, or the file belongs elsewhere. If it polls, it tries
        a WebSocket at once.
        """
        if self._loop is not None:
            self._loop.wake()
        if self._fallback is not None:
            self._fallback.retry()

    # What differs

    @abstractmethod
    def _status_of(self, link: Link) -> StatusValue:
        """Return the status with this connection and the counts that are known."""

    @abstractmethod
    def _read_counts(self) -> Counts:
        """Return what the file counts. It runs on the worker's thread."""

    @abstractmethod
    def _waits_to_be_sent(self, status: StatusValue) -> bool:
        """Return whether something is to be sent, and may be soon where the relay can be reached."""

    # The life of it

    @asynccontextmanager
    async def _running(self, *tasks: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
        """Do all this while the block lasts."""
        try:
            async with anyio.create_task_group() as group:
                for task in tasks:
                    group.start_soon(task)
                try:
                    yield
                finally:
                    with anyio.CancelScope(shield=True):
                        await self._leave(self.close_within_s)
                    group.cancel_scope.cancel()
        except BaseExceptionGroup as errors:  # an error of the caller's block comes out as it was raised
            raise telling_error(errors) from errors.__cause__

    def _connect(self, relay: str, room: str, client: httpx.AsyncClient, transport: TransportChoice) -> Connect:
        # imported once there is a relay: what works offline starts in half the time without them
        from crdt_sync.sync.polling import PollingConnect
        from crdt_sync.sync.websocket import WebSocketConnect

        websocket = WebSocketConnect(relay, room, client)
        polling = PollingConnect(relay, room, client, random=self._random)
        if transport != "auto":
            return websocket if transport == "websocket" else polling
        self._fallback = FallbackConnect(websocket, polling, random=self._random, now=self._now)
        return self._fallback

    async def _sync(self, connect: Connect, replica: Replica, presence: Presence, token: Token) -> None:
        """Keep in step with the relay, as long as that may be."""
        self._loop = SyncLoop(
            connect, replica, presence, token=token, random=self._random, now=self._now, report=self._linked
        )
        await self._loop.keep_running()

    async def _leave(self, within_s: float) -> None:
        """Let what waits reach the relay while that may still happen, say goodbye, all within a bounded time."""
        with anyio.move_on_after(within_s):
            async for status in self.status_changes():
                on_its_way = status.state in (State.CONNECTING, State.SYNCING, State.CONNECTED)
                if not on_its_way or not self._waits_to_be_sent(status):
                    break
            if self._loop is not None:
                await self._loop.leave()

    # The status

    def _linked(self, link: Link) -> None:
        self._status.set(self._status_of(link))

    async def _refresh(self) -> None:
        """Read the counts, and tell how it stands."""
        self._counted(*await self._worker.call(self._numbered_counts))

    def _numbered_counts(self) -> tuple[int, Counts]:
        """Return the number of this reading, and the counts. It runs on the worker's thread."""
        self._readings += 1
        return self._readings, self._read_counts()

    def _counted(self, number: int, counts: Counts) -> None:
        """Take what was read, and tell how it stands."""
        if number > self._told:  # a loop may wake in any order those whose calls are done
            self._told, self._counts = number, counts
        self._tell_status()

    def _tell_status(self) -> None:
        self._status.set(self._status_of(self._first_link if self._loop is None else self._loop.link))
