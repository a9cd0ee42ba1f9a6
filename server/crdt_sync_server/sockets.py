"""The sockets beneath hypercorn, with the bounds that it does not have.

    accepted ──► half-open ──► a request ──► half-open again (keep-alive) ──► closed
                    │             └────────► a WebSocket, on a socket that is ours (`taken.py`) ──► closed
                    └─ too many of them, of an address or in all: cut          └─ nothing read for a minute: cut

hypercorn bounds what a handshake takes in time and bytes. It does not bound how many there are, how long a peer may
leave unread what was sent to it, and how long one may take to read a close. A socket that does not go by itself is
aborted here: what waits for it is dropped, and nobody else waits for it.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from typing import Any

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import LifespanState

from crdt_sync_server.limits import Admission, Budget, Burst, Limit, LimitReached, Limits
from crdt_sync_server.logs import reached
from crdt_sync_server.taken import SOCKET

if sys.platform == "linux":
    import fcntl
    import termios

__all__ = ["RelayProtocol", "RelayServer", "Sockets", "Watched"]

SWEEP_EVERY_S = 1.0
LINGER_S = 5.0
"""How long a socket that we have closed may take to read what waits for it."""


class Sockets:
    """All sockets of one relay process."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.waiting = Budget(limits.max_waiting_bytes)
        """What has come of messages and has not come whole, or waits for its turn."""
        counted = Admission(
            most=limits.max_half_open,
            most_per_address=max(limits.max_half_open_per_address, limits.max_half_open // 2),
            in_all=Limit.HALF_OPEN,
            of_address=Limit.HALF_OPEN,
        )
        self.half_open = Burst(counted, most_per_address=limits.max_half_open_per_address)
        self.watched: set[Watched] = set()

    async def watch(self) -> None:
        """Abort the sockets of those who do not read, until this is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            for watched in list(self.watched):
                watched.look(loop.time())


class Watched:
    """One socket that is looked at now and then: does its peer read, and does it end once it is closed?"""

    __slots__ = (
        "_client", "_closing_since_s", "_progress_s", "_sockets", "_task", "_transport", "_waiting_before_bytes",
    )  # fmt: skip

    def __init__(self, sockets: Sockets, transport: Any, client: str | None) -> None:
        self._sockets = sockets
        self._transport = transport
        self._client = client
        self._task: asyncio.Task[None] | None = None
        self._waiting_before_bytes = 0
        self._progress_s = 0.0
        self._closing_since_s: float | None = None

    def begin(self, task: asyncio.Task[None] | None = None) -> None:
        """Look at it now and then; `task` is cancelled if the socket is aborted and that does not end it."""
        self._task = task
        self._waiting_before_bytes = 0
        self._sockets.watched.add(self)

    def end(self) -> None:
        """Look no more."""
        self._task = None
        self._sockets.watched.discard(self)

    def look(self, now_s: float) -> None:
        """End the socket if its peer has read nothing for too long, or if it does not end though it is closed."""
        if self._transport.is_closing():
            self._closing_since_s = now_s if self._closing_since_s is None else self._closing_since_s
            if now_s - self._closing_since_s >= LINGER_S:
                self._make_end(now_s)
            return
        waiting_bytes = self._waiting_bytes()
        if not waiting_bytes or waiting_bytes != self._waiting_before_bytes:
            self._progress_s = now_s  # also where more waits than before: it is written once what waited was taken
        elif now_s - self._progress_s >= self._sockets.limits.unread_s:
            reached(Limit.UNREAD, client=self._client, detail=f"{waiting_bytes} bytes wait")
            self._transport.abort()
        self._waiting_before_bytes = waiting_bytes

    def _make_end(self, now_s: float) -> None:
        if self._transport.get_write_buffer_size():
            reached(Limit.LINGERING, client=self._client)
        self._transport.abort()
        if self._task is not None:  # hypercorn waits for what cannot come, as the answer to a request before
            self._task.cancel()
        self._closing_since_s = now_s

    def _waiting_bytes(self) -> int:
        """Return what waits for the peer: here, and in the system's buffer, which takes more only a megabyte at a time.

        Where the system cannot tell, a peer that is slower than that a minute counts as one that does not read.
        """
        here: int = self._transport.get_write_buffer_size()
        if not here or sys.platform != "linux":
            return here
        number = self._transport.get_extra_info("socket").fileno()
        try:
            return here + int(struct.unpack("i", fcntl.ioctl(number, termios.TIOCOUTQ, bytes(4)))[0])
        except (OSError, ValueError):  # it has gone in this moment; whoever looks after the others must not stop
            return here


class RelayServer(TCPServer):
    """hypercorn's side of one socket, counted and watched, until the application takes the socket (`taken.py`).

    `sockets` is set on a subclass of each relay.
    """

    sockets: Sockets

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        peer = self.writer.get_extra_info("peername")
        self.client: str | None = peer[0] if isinstance(peer, tuple) else None
        self.state = LifespanState({**self.state, SOCKET: self})
        self._transport: Any = self.writer.transport
        self._watched = Watched(self.sockets, self._transport, self.client)
        self._is_half_open = False
        self._is_taken = False

    @property
    def half_open(self) -> Burst:
        """What counts sockets without a request."""
        return self.sockets.half_open

    @property
    def waiting(self) -> Budget:
        """The bytes that wait, of all sockets."""
        return self.sockets.waiting

    async def run(self) -> None:
        try:
            self.sockets.half_open.enter(self.client, asyncio.get_running_loop().time())
        except LimitReached as error:
            reached(error.limit, client=self.client)
            self._transport.abort()
            return
        self._is_half_open = True
        self._watched.begin(asyncio.current_task())
        try:
            await super().run()
        except asyncio.CancelledError:
            if not self._transport.is_closing():
                raise
        finally:
            self._set_half_open(False)
            if not self._is_taken:
                self._watched.end()

    def hold(self) -> None:
        """Read nothing more."""
        self._transport.pause_reading()

    def take(self, protocol: asyncio.Protocol) -> Watched:
        """Give the socket away; hypercorn finds that it has ended, and lets go of all that it keeps of it."""
        self._is_taken = True
        self._watched.end()
        spoken: Any = self.protocol.protocol
        is_refused = spoken.stream is None or spoken.stream.closed  # who spoke before our answer was told 400
        if not is_refused:
            spoken.stream.closed = True  # or it would close the WebSocket as the application returns
        self.protocol = _Spent(self._transport)  # type: ignore[assignment]  # all that is asked of it now is `handle`
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        self.reader.feed_eof()
        self.writer.__class__ = _SpentWriter
        if is_refused:
            self._transport.close()
        return self._watched

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, Updated):
            self._set_half_open(event.idle)
        await super().protocol_send(event)

    async def _close(self) -> None:
        if self._is_taken:
            await self.idle_task.stop()
        else:
            await super()._close()

    async def _initiate_server_close(self) -> None:
        if self._is_half_open and not self.context.terminated.is_set() and not self._has_served:
            reached(Limit.HANDSHAKE, client=self.client)
        await super()._initiate_server_close()

    @property
    def _has_served(self) -> bool:
        """True once a request has come: what is closed then is a socket kept alive, and no handshake."""
        return getattr(self.protocol.protocol, "keep_alive_requests", 0) > 0

    def _set_half_open(self, is_half_open: bool) -> None:
        if is_half_open != self._is_half_open:
            self._is_half_open = is_half_open
            if is_half_open:
                self.sockets.half_open.add(self.client)
            else:
                self.sockets.half_open.leave(self.client)


class _SpentWriter(asyncio.StreamWriter):
    """A writer whose socket is another's. When it is freed, asyncio's own would close the socket."""

    def __del__(self) -> None:
        return


class _Spent:
    """Stands in hypercorn's socket where its protocol stood: the socket is another's."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    async def handle(self, event: Event) -> None:
        if isinstance(event, RawData) and event.data:  # it came before our handshake: no client may do that
            self._transport.abort()


class RelayProtocol(H11Protocol):
    """hypercorn's HTTP/1.1. HTTP/2 is not offered: nothing needs it, and its streams would share one socket's fate."""

    async def _check_protocol(self, event: Any) -> None:
        return

    async def _send_error_response(self, status_code: int) -> None:
        if status_code == 431:
            reached(Limit.HEADERS, client=self.client[0] if self.client else None)
        await super()._send_error_response(status_code)
