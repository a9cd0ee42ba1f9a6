from __future__ import annotations

import socket
from contextlib import closing

import pytest

from crdt_sync_server.config import Config
from crdt_sync_server.errors import ConfigurationError
from crdt_sync_server.serving import DEAD_PEER_OPTIONS, listen


def test_a_peer_that_vanishes_is_noticed_by_the_system() -> None:
    with closing(listen(Config(port=0))) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        with client, accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            set_here = {name: getattr(socket, name) for name in DEAD_PEER_OPTIONS if hasattr(socket, name)}
            there = {name: accepted.getsockopt(socket.IPPROTO_TCP, option) for name, option in set_here.items()}
            assert there == {name: DEAD_PEER_OPTIONS[name] for name in set_here}


def test_an_address_that_is_taken_says_so() -> None:
    with closing(listen(Config(port=0))) as listener, pytest.raises(ConfigurationError, match="--port"):
        listen(Config(port=listener.getsockname()[1]))
