"""Connections that come and go, each in one of the ways in which they do."""

from __future__ import annotations

import socket
import struct

from crdt_sync.protocol.messages import Awareness, AwarenessEntry, Barrier, SyncStep1, SyncUpdate
from tests.hostile import RawSocket, update

UPDATE = update("same")  # what is stored of it does not grow
ROOMS = 400
RESET = struct.pack("ii", 1, 0)


def churn(port: int, first: int, count: int) -> None:
    """Let `count` connections come and go, one after the other, numbered from `first`."""
    for number in range(first, first + count):
        kind = number % 6
        with RawSocket(port, f"/churn{number % ROOMS}", upgrade=kind != 0) as raw:
            if kind == 0:  # leaves in the handshake
                raw.socket.sendall(b"GET /churn HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            elif kind == 1:  # says nothing
                raw.receive()
            elif kind == 2:  # writes, and closes as one should
                raw.sync()
                raw.send(SyncUpdate(UPDATE), Barrier(1))
                raw.hear(Barrier)
                raw.frame(b"\x03\xe8", opcode=8)
                raw.until_closed()
            elif kind == 3:  # is there, and gone with a reset
                raw.send(SyncStep1(b"\x00"), Awareness((AwarenessEntry(number, 1, '{"name":"Ada"}'),)))
                raw.receive()
                raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            elif kind == 4:  # is thrown out
                raw.frame(b"\xff")
                raw.until_closed()
            else:  # half-closes
                raw.send(SyncStep1(b"\x00"))
                raw.socket.shutdown(socket.SHUT_WR)
                raw.until_closed()
