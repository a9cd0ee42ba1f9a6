"""An attacker that speaks valid sessions with mistakes in them, over real sockets; the seed says which mistakes."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from dataclasses import dataclass

from pycrdt import Array, Doc, Map, Text

from crdt_sync.protocol.messages import (
    Awareness,
    AwarenessEntry,
    Barrier,
    FreshToken,
    PermissionDenied,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    TokenHolds,
    encode,
)
from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync.protocol.wire import write_bytes
from tests.hostile import RawSocket, frame

FRAMES_PER_CONNECTION = 60
MUTATED = 0.08
"""How many frames of a session have a mistake: with more, few get further than the first."""


@dataclass(slots=True)
class Fuzzed:
    """What came of it."""

    frames: int = 0
    connections: int = 0
    closed: int = 0


def session(numbers: random.Random) -> list[bytes]:
    """Return the messages of one valid session, updates of several kinds among them."""
    doc: Doc[object] = Doc(client_id=numbers.getrandbits(48))
    updates: list[bytes] = []
    subscription = doc.observe(lambda event: updates.append(event.update))
    values, items, text = doc.get("v", type=Map), doc.get("a", type=Array), doc.get("t", type=Text)
    for number in range(10):
        key = f"k{numbers.randrange(30)}"
        values[key] = numbers.choice([number, "x" * number, {"deep": [1, {"er": None}]}, True, 1.5])
        items.append(number)
        text += "word "
        if number % 3 == 2:
            del items[0]
            del values[key]
    doc.unobserve(subscription)
    client = numbers.getrandbits(30)
    messages = [
        SyncStep1(numbers.choice([b"\x00", doc.get_state()])),
        SyncStep2(numbers.choice([EMPTY_UPDATE, doc.get_update()])),
        QueryAwareness(),
        PermissionDenied("no"),
        FreshToken("t"),
        TokenHolds(60),
        *(SyncUpdate(each) for each in updates),
        *(Awareness((AwarenessEntry(client, clock, '{"name":"x"}'),)) for clock in range(1, 5)),
        Awareness((AwarenessEntry(client, 9, "null"),)),
        *(Barrier(number) for number in range(5)),
    ]
    return [encode(message) for message in messages]


def _flip(data: bytearray, numbers: random.Random) -> None:
    data[numbers.randrange(len(data))] ^= 1 << numbers.randrange(8)


def _cut(data: bytearray, numbers: random.Random) -> None:
    del data[numbers.randrange(len(data)) :]


def _insert(data: bytearray, numbers: random.Random) -> None:
    at = numbers.randrange(len(data) + 1)
    data[at:at] = numbers.randbytes(numbers.randrange(1, 9))


def _double(data: bytearray, numbers: random.Random) -> None:
    start = numbers.randrange(len(data))
    data[start:start] = data[start : start + numbers.randrange(1, 40)]


def _inflate(data: bytearray, numbers: random.Random) -> None:
    data[numbers.randrange(len(data))] = 0xFF


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (_flip, _cut, _insert, _double, _inflate)


def mutated(message: bytes, numbers: random.Random) -> bytes:
    """Return the frame of a message with a mistake: in the frame itself, in the message, or in the update within."""
    data = bytearray(message)
    if message[:2] in (b"\x00\x01", b"\x00\x02") and numbers.random() < 0.5:  # keep the length right
        inner = bytearray(message[3:] if message[2] < 0x80 else message[4:])
        if inner:
            numbers.choice(MUTATIONS)(inner, numbers)
        data = bytearray(message[:2])
        write_bytes(data, bytes(inner))
    elif data:
        numbers.choice(MUTATIONS)(data, numbers)
    wire = bytearray(frame(bytes(data), opcode=numbers.choices((2, 1, 0, 9, 8, 3), (90, 2, 2, 2, 2, 2))[0]))
    if numbers.random() < 0.05:
        _flip(wire, numbers)
    return bytes(wire)


def fuzz(port: int, room: str, *, frames: int, seed: int, source: str = "127.0.0.66") -> Fuzzed:
    """Send `frames` frames, a session's length to a connection."""
    numbers = random.Random(seed)
    result = Fuzzed()
    while result.frames < frames:
        messages: list[bytes] = []
        while len(messages) < FRAMES_PER_CONNECTION:
            messages += session(numbers)
        if numbers.random() < 0.3:
            numbers.shuffle(messages)
        wires = [mutated(each, numbers) if numbers.random() < MUTATED else frame(each) for each in messages]
        result.connections += 1
        result.frames += len(wires)
        with RawSocket(port, f"/{room}", source=source) as raw:
            try:
                raw.socket.sendall(b"".join(wires))
                raw.socket.shutdown(socket.SHUT_WR)
                raw.until_closed()
            except OSError:
                pass
            result.closed += raw.close_code is not None
    return result
