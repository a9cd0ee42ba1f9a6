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
import hypercorn.protocol.h2
import hypercorn.protocol.h11
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Config as HypercornConfig
from hypercorn.protocol.events import Event, Request, StreamClosed
from hypercorn.protocol.ws_stream import FrameTooLargeError, WSStream
from hypercorn.typing import LifespanState
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Message, Ping

from crdt_sync_server.app import RelayApp
from crdt_sync_server.config import Config
from crdt_sync_server.errors import ConfigurationError
from crdt_sync_server.wire import WRITER

__all__ = ["Address", "listen", "serve"]

Address = tuple[str, int]
GRACE_S = 5.0
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
    """

    _too_big = False

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
            elif isinstance(event, CloseConnection):
                if self.connection.state == ConnectionState.REMOTE_CLOSING:
                    await self._send_wsproto_event(event.response())
                await self.send(StreamClosed(stream_id=self.stream_id))

    async def _handle_message(self, event: Message[Any]) -> None:
        assert self.app_put is not None, "messages come after the application has started"
        if self._too_big:
            return
        try:
            self.buffer.extend(event)
        except FrameTooLargeError:
            self._too_big = True
            self.buffer.clear()
            await self.app_put({"type": "websocket.receive", "bytes": None, "text": None, "too_big": True})
            return
        if event.message_finished:
            await self.app_put(self.buffer.to_message())
            self.buffer.clear()


class RelayServer(TCPServer):
    """hypercorn's connection, which lets the application know its writer (`wire.py`)."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.state = LifespanState({**self.state, WRITER: self.writer})


@contextmanager
def _relay_classes() -> Iterator[None]:
    """hypercorn names these classes in its modules and has no option for them."""
    ours: tuple[tuple[Any, str, type], ...] = (
        (hypercorn.protocol.h11, "WSStream", RelayStream),
        (hypercorn.protocol.h2, "WSStream", RelayStream),
        (hypercorn.asyncio.run, "TCPServer", RelayServer),
    )
    theirs = [(module, name, getattr(module, name)) for module, name, _ in ours]
    for module, name, new in ours:
        setattr(module, name, new)
    try:
        yield
    finally:
        for module, name, old in theirs:
            setattr(module, name, old)


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
    settings.errorlog = logging.getLogger("crdt_sync_server.hypercorn")
    settings.include_server_header = False
    _on_signals(stop)

    async def until_stopped() -> None:
        started(address)
        await stop.wait()
        await app.stop()

    with _relay_classes():
        await hypercorn.asyncio.serve(app, settings, shutdown_trigger=until_stopped)  # type: ignore[arg-type]


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
