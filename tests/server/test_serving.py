from __future__ import annotations

import asyncio
import os
import socket
import struct
from contextlib import closing
from pathlib import Path

import pytest

from crdt_sync_server.config import Config
from crdt_sync_server.errors import ConfigurationError
from crdt_sync_server.serving import BACKLOG, DEAD_PEER_OPTIONS, listen, serve
from crdt_sync_server.stores.memory import MemoryStore
from crdt_sync_server.wiring import build


def test_a_peer_that_vanishes_is_noticed_by_the_system() -> None:
    with closing(listen(Config(port=0))) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        with client, accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            set_here = {name: getattr(socket, name) for name in DEAD_PEER_OPTIONS if hasattr(socket, name)}
            there = {name: accepted.getsockopt(socket.IPPROTO_TCP, option) for name, option in set_here.items()}
            assert there == {name: DEAD_PEER_OPTIONS[name] for name in set_here}


def test_as_many_may_wait_to_be_accepted_once_the_relay_serves(tmp_path: Path) -> None:
    """hypercorn listens once more on the socket that it is given, and with its own idea of how many."""
    found: list[int] = []

    async def run() -> None:
        config = Config(port=0, data=tmp_path)
        listener, stop = listen(config), asyncio.Event()

        def started(address: tuple[str, int]) -> None:
            with closing(socket.socket(fileno=os.dup(descriptor))) as ours:
                found.append(struct.unpack("I", ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[28:32])[0])
            stop.set()

        descriptor = listener.fileno()
        await serve(build(config, MemoryStore()), config, listener, started=started, stop=stop)

    asyncio.run(run())
    assert found == [min(BACKLOG, int(Path("/proc/sys/net/core/somaxconn").read_text()))]


def test_an_address_that_is_taken_says_so() -> None:
    with closing(listen(Config(port=0))) as listener, pytest.raises(ConfigurationError, match="--port"):
        listen(Config(port=listener.getsockname()[1]))
