"""Runs the relay under hypercorn: our sockets, our signals, and WebSockets without compression or unbounded buffers."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import hypercorn.asyncio
import hypercorn.asyncio.run
import hypercorn.protocol
import hypercorn.protocol.h11
from hypercorn.config import Config as HypercornConfig
from hypercorn.protocol.events import Event, Request, StreamClosed
from hypercorn.protocol.ws_stream import ASGIWebsocketState, FrameTooLargeError, WSStream
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Message, Ping

from crdt_sync_server.app import RelayApp
from crdt_sync_server.config import Config
from crdt_sync_server.errors import ConfigurationError
from crdt_sync_server.limits import Limits
from crdt_sync_server.sockets import RelayProtocol, RelayServer, Sockets

__all__ = ["Address", "listen", "serve"]

Address = tuple[str, int]
GRACE_S = 5.0
OTHER_FILES = 100
"""Open files that are no connections: the database, the loop, the log."""
QUEUED_BYTES = 1024 * 1024
"""Nothing more is read from a connection while so much waits for its application."""
FREE_BYTES = 64 * 1024
"""What waits of one connection beyond this counts in the budget that all share."""
DEAD_PEER_OPTIONS = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 60_000}
"""A peer that vanished without a word is noticed within two minutes, where the system can do that, and not in hours.

The last one, in milliseconds, bounds how long what was sent may stay unconfirmed.
"""


class RelayStream(WSStream):
    """hypercorn's WebSocket, with two things left out.

    It accepts permessage-deflate whenever a client offers it, and every browser does: measured on a fan-out, 45 % more
    CPU and 190 KB more for each connection, each frame compressed once per client. So the offer is taken away.

    After a message above the bound it closes with 1009, which stock clients answer by trying again for ever, and goes
    on buffering what comes. Here the rest is dropped, and the application is told, so that it can close with 4413.

    It queues ten messages whatever their size, and once its application has ended with a full queue it waits for ever
    to put one more, with the socket open. Here nothing more is read while `QUEUED_BYTES` wait, what waits over all
    sockets is counted, and an ended application frees whoever waits for it.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.app = self._counted(self.app)
        self._deaf = False
        self._held_bytes = 0  # in messages that the application has not taken
        self._reserved_bytes = 0  # of the budget that all sockets share
        self._taken = asyncio.Event()

    async def handle(self, event: Event) -> None:
        if isinstance(event, Request):
            kept = [(name, value) for name, value in event.headers if name.lower() != b"sec-websocket-extensions"]
            event = replace(event, headers=kept)
        await super().handle(event)

    async def _handle_events(self) -> None:
        for event in self.connection.events():
            if isinstance(event, Message):
                await self._handle_message(event)
            elif isinstance(event, Ping):
                await self._send_wsproto_event(event.response())
            elif isinstance(event, CloseConnection) and self.connection.state is ConnectionState.OPEN:
                await self._stop_hearing({"broken": event.reason or "not a frame"})  # what follows has no meaning
            elif isinstance(event, CloseConnection):
                if self.connection.state == ConnectionState.REMOTE_CLOSING:
                    await self._send_wsproto_event(event.response())
                await self.send(StreamClosed(stream_id=self.stream_id))

    async def _handle_message(self, event: Message[Any]) -> None:
        assert self.app_put is not None, "messages come after the application has started"
        if self._deaf:
            return
        try:
            self.buffer.extend(event)
        except FrameTooLargeError:
            await self._stop_hearing({"too_big": True})
            return
        if not self._reserve():
            await self._stop_hearing({"no_room": True})
        elif event.message_finished:
            message = self.buffer.to_message()
            self._held_bytes += self.buffer.length
            self.buffer.clear()
            await self.app_put(message)
            while self._held_bytes > QUEUED_BYTES and not self._deaf:
                self._taken.clear()
                await self._taken.wait()

    async def _stop_hearing(self, why: dict[str, Any]) -> None:
        """Drop all that still comes, and tell the application, which closes."""
        self._deaf = True
        self.buffer.clear()
        self._reserve()
        assert self.app_put is not None
        await self.app_put({"type": "websocket.receive", "bytes": None, "text": None, **why})

    def _reserve(self) -> bool:
        """Hold as much of the shared budget as this connection's messages need; say whether it was there."""
        needed = max(0, self._held_bytes + self.buffer.length - FREE_BYTES)
        if needed == self._reserved_bytes:
            return True
        if not self._socket.sockets.waiting.take(self._socket.client, needed - self._reserved_bytes):
            return False
        self._reserved_bytes = needed
        return True

    def _counted(self, app: Any) -> Any:
        """Wrap an application: when it asks for the next message, it has taken the last."""

        async def counted(scope: Any, receive: Any, send: Any, *more: Any) -> None:
            taking = 0

            async def receive_counted() -> Any:
                nonlocal taking
                self._held_bytes -= taking
                if taking > FREE_BYTES or self._reserved_bytes:
                    self._reserve()
                self._taken.set()
                taking = 0
                event = await receive()
                taking = len(event.get("bytes") or event.get("text") or "")
                return event

            await app(scope, receive_counted, send, *more)

        return counted

    @property
    def _socket(self) -> RelayServer:
        protocol = self.send.__self__  # type: ignore[attr-defined]
        assert isinstance(protocol, RelayProtocol)
        return protocol.socket()

    async def app_send(self, message: Any) -> None:
        if message is None:
            self._ended()
        await super().app_send(message)

    def _ended(self) -> None:
        """The application has ended: nobody may wait for it, and a close that it could not send is not tried again."""
        self._deaf = True
        self.buffer.clear()
        self._held_bytes = 0
        self._reserve()
        self._taken.set()
        if self.app_put is not None:
            queue: asyncio.Queue[Any] = self.app_put.__self__  # type: ignore[attr-defined]
            self.app_put = _discard
            while not queue.empty():
                queue.get_nowait()  # who waits to put gets its place
        if self.state == ASGIWebsocketState.CONNECTED and not self.closed:
            self._socket.abort_if_unread()


async def _discard(event: object) -> None:
    """Take an event for an application that has ended."""


@contextmanager
def _relay_classes(sockets: Sockets) -> Iterator[None]:
    """hypercorn names its classes in its modules and has no options for them."""
    server = type("Server", (RelayServer,), {"sockets": sockets})
    places: tuple[tuple[Any, str, type], ...] = (
        (hypercorn.protocol.h11, "WSStream", RelayStream),
        (hypercorn.protocol, "H11Protocol", RelayProtocol),
        (hypercorn.asyncio.run, "TCPServer", server),
    )
    before = [getattr(module, name) for module, name, _ in places]
    for module, name, ours in places:
        setattr(module, name, ours)
    try:
        yield
    finally:
        for (module, name, _), theirs in zip(places, before, strict=True):
            setattr(module, name, theirs)


def listen(config: Config) -> socket.socket:
    """Return the listening socket. Raises `ConfigurationError` if the address cannot be had."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        listener = socket.create_server((config.host, config.port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {config.host}:{config.port}: {error.strerror}; "
            "stop the program that does, or choose another with --port"
        ) from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in DEAD_PEER_OPTIONS.items():
        if (option := getattr(socket, name, None)) is not None:
            listener.setsockopt(socket.IPPROTO_TCP, option, value)  # what is accepted inherits it
    return listener


async def serve(
    app: RelayApp,
    config: Config,
    listener: socket.socket,
    *,
    started: Callable[[Address], None],
    stop: asyncio.Event,
) -> None:
    """Serve until `stop` is set or SIGTERM or Ctrl-C comes: then stop accepting, commit, close with 1001 and return.

    A second signal ends the process at once.
    """
    address: Address = listener.getsockname()[:2]
    settings = HypercornConfig()
    settings.bind = [f"fd://{listener.detach()}"]
    settings.websocket_max_message_size = config.max_message_bytes
    settings.websocket_ping_interval = None  # its task sleeps on after the close and keeps the connection's memory
    settings.graceful_timeout = GRACE_S
    settings.accesslog = None
    settings.keep_alive_timeout = config.limits.handshake_s
    settings.h11_max_incomplete_size = config.limits.max_header_bytes
    settings.errorlog = logging.getLogger("crdt_sync_server.hypercorn")
    settings.include_server_header = False
    _on_signals(stop)

    async def until_stopped() -> None:
        started(address)
        await stop.wait()
        await app.stop()

    _allow_open_files(config.limits)
    sockets = Sockets(config.limits)
    watching = asyncio.create_task(sockets.watch())
    try:
        with _relay_classes(sockets):
            await hypercorn.asyncio.serve(app, settings, shutdown_trigger=until_stopped)  # type: ignore[arg-type]
    finally:
        watching.cancel()


def _allow_open_files(limits: Limits) -> None:
    """Take as many open files as the system lets us, and say so if they are fewer than the connections allowed."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = limits.max_connections + limits.max_half_open + OTHER_FILES
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if hard != resource.RLIM_INFINITY and hard < needed:
        logging.getLogger("crdt_sync_server").warning(
            "this process may open %d files and the limits need %d; raise `ulimit -n`, or lower max-connections",
            hard, needed,
        )  # fmt: skip


def _on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def stop_once(number: int) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop_once, number)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda caught, _: loop.call_soon_threadsafe(stop_once, caught))
