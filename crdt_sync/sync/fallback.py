"""Which transport: a WebSocket, unless the network lets none through; then polling, until it does.

What a relay says for itself, a close code or a refusal with its reason, never makes us poll: it would say so again.

| a WebSocket that                                     | speaks of a blocked network |
|------------------------------------------------------|-----------------------------|
| ended with a close code, or was refused with a token | no                          |
| could not be reached, or has no name                 | no                          |
| was answered by something that is no relay           | yes                         |
| was reached and stayed silent                        | yes                         |
| was cut, but stood for 30 s before                   | no                          |
| was cut sooner                                       | yes, the third time running |
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from random import Random

import anyio

from crdt_sync.errors import ConnectionLost, Trouble
from crdt_sync.groups import telling_error
from crdt_sync.protocol.close_codes import CloseCode, Retry, retry_after
from crdt_sync.sync.transport import Connect, EndableTransport, Transport, TransportReplaced

__all__ = ["Chooser", "Ended", "FallbackConnect", "Way"]

STOOD_S = 30.0
"""A WebSocket that was cut sooner was cut soon."""
CUTS = 3
PROBE_FIRST_S = 15.0
PROBE_LAST_S = 300.0
"""How long after a failed WebSocket the next is tried while polling: twice as long each time, up to this."""
PROBE_WITHIN_S = 10.0
_NO_REASON = (1000, 1002, 1005, 1006, 1015)
"""Close codes that our relay does not send: something on the way ended the connection."""


class Way(Enum):
    """A transport."""

    WEBSOCKET = "websocket"
    POLLING = "polling"


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended; `lasted_s` is how long it was open, or None if it never was."""

    code: int | None
    trouble: Trouble | None
    lasted_s: float | None


class Chooser:
    """Decides which way the next attempt goes. No I/O, and no clock."""

    def __init__(self) -> None:
        self.way = Way.WEBSOCKET
        self._cuts = 0

    def ended(self, ended: Ended) -> None:
        """Learn from an attempt that went the present `way`."""
        if self.way is Way.POLLING:
            if ended.lasted_s is None and not _polling_may_work(ended):
                self.way, self._cuts = Way.WEBSOCKET, 0
        elif self._speaks_of_a_block(ended):
            self.way = Way.POLLING

    def websocket_works(self) -> None:
        """A WebSocket has been tried while polling, and works. One more soon cut and it is polling again."""
        self.way, self._cuts = Way.WEBSOCKET, CUTS - 1

    def _speaks_of_a_block(self, ended: Ended) -> bool:
        if ended.trouble in (Trouble.INTERCEPTED, Trouble.SILENT):
            return True
        was_cut = ended.trouble is Trouble.CUT or ended.code in _NO_REASON
        if was_cut and (ended.lasted_s is None or ended.lasted_s < STOOD_S):
            self._cuts += 1
            return self._cuts >= CUTS
        self._cuts = 0
        return False


def _polling_may_work(ended: Ended) -> bool:
    """Whether a poll that did not open is worth another: the relay itself spoke, or nobody could be reached at all."""
    if ended.code is not None:
        return ended.code != CloseCode.OVERLOADED
    return ended.trouble is Trouble.UNREACHABLE


class FallbackConnect:
    """`Connect` by the way that the chooser says. While it polls it tries the WebSocket again and moves over."""

    def __init__(
        self,
        websocket: Connect,
        polling: Callable[[str | None], AbstractAsyncContextManager[EndableTransport]],
        *,
        random: Random,
        now: Callable[[], float],
    ) -> None:
        self._websocket = websocket
        self._polling = polling
        self._random = random
        self._now = now
        self._chooser = Chooser()
        self._probe_after_s = PROBE_FIRST_S
        self._probe_now = anyio.Event()
        self._refusal: ConnectionLost | None = None

    def retry(self) -> None:
        """Try the WebSocket at once: the network has changed."""
        self._probe_after_s = PROBE_FIRST_S
        self._probe_now.set()

    @asynccontextmanager
    async def __call__(self, token: str | None) -> AsyncIterator[Transport]:
        """Open a connection. Raises `ConnectionLost`, and `TransportReplaced` when a WebSocket works again."""
        connect = self._over_polling if self._chooser.way is Way.POLLING else self._websocket
        way = self._chooser.way
        opened_s: float | None = None
        try:
            async with connect(token) as transport:
                opened_s = self._now()
                yield transport
        except TransportReplaced:
            raise
        except ConnectionLost as lost:
            lasted_s = None if opened_s is None else self._now() - opened_s
            self._chooser.ended(Ended(lost.code, lost.trouble, lasted_s))
            if lasted_s is not None and lasted_s >= STOOD_S:
                self._probe_after_s = PROBE_FIRST_S  # it may be another network by now
            raise self._final(way, lost) from lost

    def _final(self, way: Way, lost: ConnectionLost) -> ConnectionLost:
        """A bare 403 may be a middlebox's word, so it is final only where a server then says that it knows no polling.

        Another answer in the relay's place says nothing: a gateway gives one while its relay is away.
        """
        if way is Way.WEBSOCKET and lost.trouble is Trouble.INTERCEPTED:
            self._refusal = lost if lost.code is not None else None
            return ConnectionLost(str(lost), trouble=lost.trouble)
        if lost.trouble is Trouble.NOT_OFFERED and self._refusal is not None:
            return self._refusal
        return lost

    @asynccontextmanager
    async def _over_polling(self, token: str | None) -> AsyncIterator[Transport]:
        async with self._polling(token) as transport:
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._probe, transport)
                    yield transport
                    tasks.cancel_scope.cancel()
            except BaseExceptionGroup as group:  # the caller's own error
                raise telling_error(group) from group

    async def _probe(self, transport: EndableTransport) -> None:
        self._probe_now = anyio.Event()
        while True:
            with anyio.move_on_after(self._probe_after_s * (0.5 + self._random.random() / 2)):
                await self._probe_now.wait()
            self._probe_now = anyio.Event()
            if await self._websocket_works(transport.token):  # the session's own may have been renewed
                self._chooser.websocket_works()
                transport.end(TransportReplaced("a WebSocket works again"))
                return
            self._probe_after_s = min(self._probe_after_s * 2, PROBE_LAST_S)

    async def _websocket_works(self, token: str | None) -> bool:
        """Whether a WebSocket opens and brings something, as every relay speaks first, or asks for a new token."""
        try:
            with anyio.move_on_after(PROBE_WITHIN_S):
                async with self._websocket(token) as transport:
                    await transport.receive()
                    return True
        except ConnectionLost as lost:
            return lost.code is not None and retry_after(lost.code) is Retry.NEW_TOKEN
        return False
