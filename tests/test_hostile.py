"""The count of sockets that the attack tests go by: it misses none, whatever has become of the other end."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

from tests.hostile import RawSocket, client_sockets, until
from tests.relay import RelayProcess


def test_each_client_counts_and_what_a_relay_has_for_itself_does_not(tmp_path: Path) -> None:
    with RelayProcess(tmp_path) as relay:
        assert client_sockets(relay.pid) == 0
        with RawSocket(relay.port, "/a") as one, RawSocket(relay.port, "/b") as other:
            for raw in (one, other):
                raw.sync()
            assert client_sockets(relay.pid) == 2
        until(lambda: client_sockets(relay.pid) == 0)


def test_a_socket_that_was_reset_and_is_not_closed_counts() -> None:
    """The system's tables do not show it any more: a leak of those would be the least seen."""
    before = client_sockets(os.getpid())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        kept, _ = listener.accept()
        assert client_sockets(os.getpid()) == before + 2
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        with kept:
            assert client_sockets(os.getpid()) == before + 1
        assert client_sockets(os.getpid()) == before
