"""The client of the join storm, fed by hand: however the bytes are cut, it knows when it is synced and by what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from benchmarks.stream import LARGE_BYTES, Reference, Streamer
from benchmarks.wire import STEP_2, SYNC, Room

ROOM = Room("ws://127.0.0.1:1", "room")
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
LARGE = ROOM.message(SYNC, STEP_2, bytes(range(256)) * (LARGE_BYTES // 128))
SMALL = ROOM.message(SYNC, STEP_2, b"\x00\x00")


class Transport:
    """Takes what is written."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


def frame(payload: bytes, opcode: int = 2) -> bytes:
    length = len(payload)
    return bytes((0x80 | opcode, 127)) + length.to_bytes(8, "big") + payload


def feed(client: Streamer, data: bytes, size: int) -> None:
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        client.get_buffer(-1)[: len(piece)] = piece
        client.buffer_updated(len(piece))


def with_clients(
    count: int, check: Callable[[list[Streamer], Reference, Transport], None], *, everything: bool = False
) -> None:
    async def run() -> None:
        reference, transport = Reference(), Transport()
        clients = [Streamer(ROOM, b"\x00", reference, everything=everything) for _ in range(count)]
        for client in clients:
            client.connection_made(transport)  # type: ignore[arg-type]
            feed(client, ANSWER, 7)
        check(clients, reference, transport)

    asyncio.run(run())


def test_the_same_bytes_are_kept_once_whoever_is_faster() -> None:
    def check(clients: list[Streamer], reference: Reference, transport: Transport) -> None:
        data = frame(LARGE)
        feed(clients[0], data[:50_000], 1_000)
        feed(clients[1], data, 4_097)  # overtakes
        assert not clients[0].is_synced
        assert clients[1].is_synced
        feed(clients[0], data[50_000:], 13_000)
        assert clients[0].is_synced
        assert not any(client.differs for client in clients)
        assert bytes(reference.payload) == LARGE
        assert clients[0].updates() == clients[1].updates() == [ROOM.sync(LARGE)[1]]  # type: ignore[index]

    with_clients(2, check)


def test_one_that_is_sent_other_bytes_keeps_its_own() -> None:
    def check(clients: list[Streamer], reference: Reference, transport: Transport) -> None:
        other = bytearray(LARGE)
        other[60_000] ^= 1
        feed(clients[0], frame(LARGE), 8_192)
        feed(clients[1], frame(bytes(other)), 8_192)
        assert clients[1].differs
        assert not clients[0].differs
        assert clients[1].updates() == [ROOM.sync(bytes(other))[1]]  # type: ignore[index]
        assert bytes(reference.payload) == LARGE
        assert all(client.is_synced for client in clients)

    with_clients(2, check, everything=True)


def test_a_small_step_2_syncs_and_a_ping_is_answered() -> None:
    def check(clients: list[Streamer], reference: Reference, transport: Transport) -> None:
        (client,) = clients
        before = len(transport.written)
        feed(client, frame(b"hi", opcode=9) + frame(ROOM.message(SYNC, 0, b"\x00")), 3)
        assert transport.written[before:] == b"\x8a\x82\x00\x00\x00\x00hi"
        assert not client.is_synced
        feed(client, frame(SMALL), 1)
        assert client.is_synced
        assert not client.has_large

    with_clients(1, check)


def test_an_empty_document_is_not_everything() -> None:
    def check(clients: list[Streamer], reference: Reference, transport: Transport) -> None:
        (client,) = clients
        feed(client, frame(SMALL), 100)
        assert not client.is_synced
        feed(client, frame(LARGE), 8_192)
        assert client.is_synced
        assert client.has_large

    with_clients(1, check, everything=True)
