"""Runs the relay under hypercorn: our sockets, our signals, and WebSockets without compression."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import hypercorn.asyncio
import hypercorn.asyncio.run
import hypercorn.protocol
import hypercorn.protocol.h11
from hypercorn.config import Config as HypercornConfig
from hypercorn.protocol.events import Event, Request
from hypercorn.protocol.ws_stream import WSStream

from crdt_sync_server.app import RelayApp
from crdt_sync_server.config import Config
from crdt_sync_server.errors import ConfigurationError
from crdt_sync_server.limits import Limits
from crdt_sync_server.sockets import RelayProtocol, RelayServer, Sockets

__all__ = ["Address", "listen", "serve"]

Address = tuple[str, int]
GRACE_S = 5.0
BACKLOG = 1024
"""Connections that may wait to be accepted, as when a thousand come back at once."""
SWITCH_INTERVAL_S = 0.0002
"""How long the loop may keep the interpreter from the store's threads. With Python's 5 ms each of their calls of SQLite
waits that long while the loop is busy, and rooms took tens of milliseconds to load."""
OTHER_FILES = 100
"""Open files that are no connections: the database, the loop, the log."""
DEAD_PEER_OPTIONS = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 60_000}
"""A peer that vanished without a word is noticed within two minutes, where the system can do that, and not in hours.

The last one, in milliseconds, bounds how long what was sent may stay unconfirmed.
"""


class RelayStream(WSStream):
    """hypercorn's WebSocket, without an offer: it accepts permessage-deflate whenever a client offers it.

    Every browser does. Measured on a fan-out, that is 45 % more CPU and 190 KB more for each connection, each frame
    compressed once per client.
    """

    async def handle(self, event: Event) -> None:
        if isinstance(event, Request):
            kept = [(name, value) for name, value in event.headers if name.lower() != b"sec-websocket-extensions"]
            event = replace(event, headers=kept)
        await super().handle(event)


@contextmanager
def _relay_classes(sockets: Sockets, servers: list[asyncio.Server]) -> Iterator[None]:
    """hypercorn names its classes in its modules, has no options for them, and keeps to itself what it listens with.

    That goes to `servers`.
    """
    server = type("Server", (RelayServer,), {"sockets": sockets})
    start_server = asyncio.start_server

    async def start(*arguments: Any, **options: Any) -> asyncio.Server:
        servers.append(await start_server(*arguments, **options))
        return servers[-1]

    places: tuple[tuple[Any, str, Any], ...] = (
        (hypercorn.protocol.h11, "WSStream", RelayStream),
        (hypercorn.protocol, "H11Protocol", RelayProtocol),
        (hypercorn.asyncio.run, "TCPServer", server),
        (asyncio, "start_server", start),
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
        listener = socket.create_server((config.host, config.port), family=family, backlog=BACKLOG)
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
    """Serve until `stop` is set or SIGTERM, SIGHUP or Ctrl-C comes: then commit, close all that is open, and return.

    A relay by itself tells those who come meanwhile that it stops. One of several accepts nobody any more from that
    moment on: whoever comes belongs to another. A second signal ends the process at once.
    """
    address: Address = listener.getsockname()[:2]
    settings = HypercornConfig()
    settings.bind = [f"fd://{listener.detach()}"]
    settings.backlog = BACKLOG  # it listens once more
    settings.websocket_max_message_size = config.max_message_bytes
    settings.websocket_ping_interval = None  # its task sleeps on after the close and keeps the connection's memory
    settings.graceful_timeout = GRACE_S
    settings.accesslog = None
    settings.keep_alive_timeout = config.limits.handshake_s
    settings.h11_max_incomplete_size = config.limits.max_header_bytes
    settings.errorlog = logging.getLogger("crdt_sync_server.hypercorn")
    settings.include_server_header = False
    _on_signals(stop)
    servers: list[asyncio.Server] = []

    async def until_stopped() -> None:
        started(address)
        await stop.wait()
        if app.host.cluster is not None:
            for server in servers:
                server.close()
        await app.stop()

    _allow_open_files(config.limits)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    sockets = Sockets(config.limits)
    watching = asyncio.create_task(sockets.watch())
    try:
        with _relay_classes(sockets, servers):
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

    for number in {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:
        try:
            loop.add_signal_handler(number, stop_once, number)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda caught, _: loop.call_soon_threadsafe(stop_once, caught))
