"""A socket that the relay has taken over from hypercorn: its handshake, its pings, its closes. Against the process."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator

import pytest

from crdt_sync.protocol.messages import Barrier, SyncStep1, encode
from tests.hostile import BINARY, CLOSE, PING, RawSocket, client_sockets, frame, memory_bytes, until
from tests.relay import RelayProcess

PONG = 10
MB = 1024 * 1024


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with RelayProcess(tmp_path_factory.mktemp("relay"), "--max-message-bytes", str(4 * MB)) as relay:
        yield relay
    assert not any("Traceback" in line for line in relay.output), "".join(relay.output)


def frames(raw: RawSocket) -> Iterator[tuple[int, bytes]]:
    """Yield what the relay sends, opcode and payload, until it ends the connection."""
    raw.socket.settimeout(20)
    data = bytearray(raw._buffer)
    while True:
        while len(data) >= 2 and (data[1] < 126 or len(data) >= 10):
            length, at = data[1], 2
            if length >= 126:
                at = 4 if length == 126 else 10
                length = int.from_bytes(data[2:at], "big")
            if len(data) < at + length:
                break
            yield data[0], bytes(data[at : at + length])
            del data[: at + length]
        try:
            piece = raw.socket.recv(65536)
        except ConnectionError:
            return
        if not piece:
            return
        data += piece


def test_a_ping_is_answered_with_what_it_carried(relay: RelayProcess) -> None:
    with RawSocket(relay.port, "/ping") as raw:
        raw.frame(b"are you there?", opcode=PING)
        assert (0x80 | PONG, b"are you there?") in frames(raw)


def test_who_pings_and_never_reads_makes_no_heap_of_answers(relay: RelayProcess) -> None:
    """The last ping alone need be answered: the relay remembers one."""
    before = memory_bytes(relay)
    with RawSocket(relay.port, "/pings") as raw:
        raw.socket.settimeout(0.2)
        burst = frame(b"x" * 125, opcode=PING) * 500
        deadline = time.monotonic() + 3
        sent = 0
        try:
            while time.monotonic() < deadline and sent < 40 * MB:
                sent += raw.socket.send(burst)
        except TimeoutError:
            pass
        assert sent > 10 * MB
        assert memory_bytes(relay) - before < 8 * MB
        raw.socket.settimeout(20)
        raw.frame(encode(Barrier(9)) + encode(SyncStep1(b"\x00")))
        raw.frame(b"last", opcode=PING)
        assert any(payload == b"last" for opcode, payload in frames(raw) if opcode == 0x80 | PONG)


def test_a_close_is_answered_and_the_socket_ends(relay: RelayProcess) -> None:
    with RawSocket(relay.port, "/bye") as raw:
        raw.sync()
        raw.frame(struct.pack("!H", 1000) + b"\xff\xfe not utf-8", opcode=CLOSE)
        *_, last = frames(raw)
        assert last == (0x80 | CLOSE, struct.pack("!H", 1000))
    until(lambda: client_sockets(relay.pid) == 0)


def test_what_follows_a_close_is_dropped(relay: RelayProcess) -> None:
    with RawSocket(relay.port, "/after") as raw:
        raw.sync()
        raw.socket.sendall(frame(b"", opcode=CLOSE) + frame(encode(Barrier(1)), opcode=BINARY))
        *before, last = frames(raw)
        assert last[0] == 0x80 | CLOSE
        assert encode(Barrier(1)) not in [payload for _, payload in before]


def test_who_never_answers_a_close_is_dropped_soon_after_it(relay: RelayProcess) -> None:
    with RawSocket(relay.port, "/mute") as raw:
        raw.sync()
        raw.frame(b"\x00\x07")
        began = time.monotonic()
        *_, last = frames(raw)
        assert last[0] == 0x80 | CLOSE
        assert last[1][:2] == struct.pack("!H", 4400)
        assert time.monotonic() - began < 10


def test_a_client_in_the_midst_of_a_long_message_still_reads_why_it_is_closed(relay: RelayProcess) -> None:
    """With bytes unread a close of ours would reset the connection, and the code would be lost on the way."""
    with RawSocket(relay.port, "/long") as raw:
        raw.sync()
        raw.socket.sendall(frame(b"x" * 200, announce=5 * MB))
        raw.socket.sendall(b"x" * 4 * MB)
        assert raw.until_closed() == 4413


def test_words_before_the_handshake_is_over_end_it(relay: RelayProcess) -> None:
    """A client must wait for the answer to its upgrade (RFC 6455, section 4.1); what it says before has no reader."""
    request = (
        "GET /early HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", relay.port), timeout=20) as raw:
        raw.sendall(request.encode() + frame(encode(Barrier(5))))
        heard = b""
        try:
            while data := raw.recv(65536):
                heard += data
        except ConnectionError:
            pass
        assert encode(Barrier(5)) not in heard
    until(lambda: client_sockets(relay.pid) == 0)


def test_a_socket_that_is_half_closed_ends_and_what_it_said_is_kept(relay: RelayProcess) -> None:
    with RawSocket(relay.port, "/half") as raw:
        raw.sync()
        raw.send(Barrier(3))
        raw.socket.shutdown(socket.SHUT_WR)
        raw.until_closed()
    until(lambda: client_sockets(relay.pid) == 0)
