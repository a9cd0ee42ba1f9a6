"""The sockets beneath hypercorn, with the bounds that it does not have.

    accepted ──► half-open ──► a request or a WebSocket ──► half-open again (keep-alive) ──► closed
                    └─ too many of them, of an address or in all: cut        └─ nothing read for a minute: cut

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
from hypercorn.events import Event, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import LifespanState

from crdt_sync_server.limits import Admission, Budget, Limit, LimitReached, Limits
from crdt_sync_server.logs import reached
from crdt_sync_server.wire import WRITER

if sys.platform == "linux":
    import fcntl
    import termios

__all__ = ["RelayProtocol", "RelayServer", "Sockets"]

SWEEP_EVERY_S = 1.0
LINGER_S = 5.0
"""How long a socket that we have closed may take to read what waits for it."""


class Sockets:
    """All sockets of one relay process."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.waiting = Budget(limits.max_waiting_bytes)
        """What has come of messages and was not taken by the application."""
        self.half_open = Admission(
            most=limits.max_half_open,
            most_per_address=limits.max_half_open_per_address,
            in_all=Limit.HALF_OPEN,
            of_address=Limit.HALF_OPEN,
        )
        self.open: set[RelayServer] = set()

    async def watch(self) -> None:
        """Abort the sockets of those who do not read, until this is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            for server in list(self.open):
                server.look_after(loop.time())


class RelayServer(TCPServer):
    """hypercorn's side of one socket, counted and watched; the application is told its writer (`wire.py`).

    `sockets` is set on a subclass of each relay.
    """

    sockets: Sockets

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.state = LifespanState({**self.state, WRITER: self.writer})
        peer = self.writer.get_extra_info("peername")
        self.client: str | None = peer[0] if isinstance(peer, tuple) else None
        self._is_half_open = False
        self._is_aborted = False
        self._is_ended = False
        self._task: asyncio.Task[None] | None = None
        self._waiting_before_bytes = 0
        self._progress_s = 0.0
        self._closing_since_s: float | None = None

    async def run(self) -> None:
        try:
            self.sockets.half_open.enter(self.client)
        except LimitReached as error:
            reached(error.limit, client=self.client)
            self.abort()
            return
        self._is_half_open = True
        self.sockets.open.add(self)
        self._task = asyncio.current_task()
        try:
            await super().run()
        except asyncio.CancelledError:
            if not self._is_ended:
                raise
        finally:
            self.sockets.open.discard(self)
            self._set_half_open(False)

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, Updated):
            self._set_half_open(event.idle)
        await super().protocol_send(event)

    async def _initiate_server_close(self) -> None:
        if self._is_half_open and not self.context.terminated.is_set() and not self.protocol_has_served:
            reached(Limit.HANDSHAKE, client=self.client)
        await super()._initiate_server_close()

    @property
    def protocol_has_served(self) -> bool:
        """True once a request has come: what is closed then is a socket kept alive, and no handshake."""
        return getattr(self.protocol.protocol, "keep_alive_requests", 0) > 0

    def abort(self) -> None:
        """End the socket now; what waits for it is dropped."""
        self._is_aborted = True
        self.writer.transport.abort()

    def abort_if_unread(self) -> None:
        """End the socket now if something waits that its peer does not read."""
        if self.writer.transport.get_write_buffer_size():
            reached(Limit.LINGERING, client=self.client)
            self.abort()

    def look_after(self, now_s: float) -> None:
        """End the socket if its peer has read nothing for too long, or if it does not end though it is closed."""
        if self.writer.transport.is_closing():
            self._closing_since_s = now_s if self._closing_since_s is None else self._closing_since_s
            if now_s - self._closing_since_s >= LINGER_S:
                self._make_end()
            return
        waiting_bytes = self._waiting_bytes()
        if not waiting_bytes or waiting_bytes != self._waiting_before_bytes:
            self._progress_s = now_s  # also where more waits than before: it is written once what waited was taken
        elif now_s - self._progress_s >= self.sockets.limits.unread_s:
            reached(Limit.UNREAD, client=self.client, detail=f"{waiting_bytes} bytes wait")
            self.abort()
        self._waiting_before_bytes = waiting_bytes

    def _make_end(self) -> None:
        if not self._is_aborted:
            reached(Limit.LINGERING, client=self.client)
            self.abort()
        elif self._task is not None:  # hypercorn waits for what cannot come, as the answer to a request before
            self._is_ended = True
            self._task.cancel()

    def _waiting_bytes(self) -> int:
        """Return what waits for the peer: here, and in the system's buffer, which takes more only a megabyte at a time.

        Where the system cannot tell, a peer that is slower than that a minute counts as one that does not read.
        """
        here: int = self.writer.transport.get_write_buffer_size()
        if not here or sys.platform != "linux":
            return here
        number = self.writer.get_extra_info("socket").fileno()
        try:
            return here + int(struct.unpack("i", fcntl.ioctl(number, termios.TIOCOUTQ, bytes(4)))[0])
        except (OSError, ValueError):  # it has gone in this moment; whoever looks after the others must not stop
            return here

    def _set_half_open(self, is_half_open: bool) -> None:
        if is_half_open != self._is_half_open:
            self._is_half_open = is_half_open
            if is_half_open:
                self.sockets.half_open.add(self.client)
            else:
                self.sockets.half_open.leave(self.client)


class RelayProtocol(H11Protocol):
    """hypercorn's HTTP/1.1. HTTP/2 is not offered: nothing needs it, and its streams would share one socket's fate."""

    async def _check_protocol(self, event: Any) -> None:
        return

    async def _send_error_response(self, status_code: int) -> None:
        if status_code == 431:
            reached(Limit.HEADERS, client=self.client[0] if self.client else None)
        await super()._send_error_response(status_code)

    def socket(self) -> RelayServer:
        """Return the socket that this speaks over."""
        server = self.send.__self__  # type: ignore[attr-defined]  # hypercorn hands over the bound method alone
        assert isinstance(server, RelayServer)
        return server
