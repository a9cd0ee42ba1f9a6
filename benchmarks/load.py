"""The load: many clients of one room in one process, which writes down what arrives and decodes it only afterwards.

Run as `python -m benchmarks.load SPEC`, SPEC being the JSON of a `Load`; it prints a `Report` as JSON. While the clock
runs a client keeps (when, bytes) of each frame and no more, so that the relay and not the load is what is measured;
`busy` says how much of its core the load had used, and `benchmarks/ceiling.py` how much it could take.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import quantiles
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from pycrdt import Doc, Map

from crdt_sync.document import Anchor
from crdt_sync.protocol.wire import Reader, write_string, write_var_uint

MARK = re.compile(rb"@(\d+):(\d+)@")
DEFLATE = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
SYNC, STEP_2, UPDATE, SYNC_REPLY = 0, 1, 2, 4
WITHIN_S = 120.0
SILENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Load:
    """`writers` of the `clients` make `updates` highlights each, `per_s` a second in all, or as fast as they go."""

    url: str
    room: str
    names_document: bool
    clients: int = 110
    writers: int = 10
    updates: int = 200
    per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """`seconds` from the first send to the last arrival; latencies from each send to each arrival, in ms."""

    deliveries: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    frames: int
    busy: float


class Client(WSListener):  # type: ignore[misc]  # picows has no stubs for its compiled classes
    """One connection. It offers compression, as browsers and node do."""

    def __init__(self) -> None:
        self.transport: WSTransport | None = None
        self.frames: list[tuple[float, bytes, bool, bool]] = []
        self.news = asyncio.Event()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type in (WSMsgType.BINARY, WSMsgType.CONTINUATION):
            self.frames.append((time.perf_counter(), frame.get_payload_as_bytes(), frame.rsv1, frame.fin))
            if len(self.frames) < 16:
                self.news.set()
        elif frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())

    def send(self, message: bytes) -> None:
        assert self.transport is not None
        self.transport.send(WSMsgType.BINARY, message)

    def messages(self) -> Iterator[tuple[float, bytes]]:
        """Yield what arrived, whole and inflated."""
        inflate = zlib.decompressobj(-15)
        parts: list[bytes] = []
        compressed = False
        for at, data, rsv1, fin in self.frames:
            compressed = compressed or rsv1
            parts.append(data)
            if fin:
                whole = b"".join(parts)
                yield at, inflate.decompress(whole + b"\x00\x00\xff\xff") if compressed else whole
                parts, compressed = [], False


def message(load: Load, *body: int | bytes) -> bytes:
    """Return a message: integers as they are, bytes with their length before them."""
    out = bytearray()
    if load.names_document:
        write_string(out, load.room)
    for part in body:
        if isinstance(part, int):
            write_var_uint(out, part)
        else:
            write_var_uint(out, len(part))
            out += part
    return bytes(out)


def body_of(load: Load, data: bytes) -> tuple[int, int, bytes] | None:
    """Return type, step and payload of a sync message; None for any other."""
    reader = Reader(data)
    if load.names_document:
        reader.string()
    kind = reader.var_uint()
    return (SYNC, reader.var_uint(), reader.bytes()) if kind in (SYNC, SYNC_REPLY) else None


def highlights(writer: int, count: int) -> list[bytes]:
    """Return the updates of `count` highlights, each as a library makes it, marked with its number."""
    doc: Doc[Any] = Doc()
    made, fields = doc.get("highlights", type=Map), doc.get("fields", type=Map)
    updates: list[bytes] = []
    subscription = doc.observe(lambda event: updates.append(event.update))
    for number in range(count):
        item_id = f"{writer:08x}{number:08x}{0:016x}"
        quote = f"In the beginning @{writer}:{number}@ God created the heaven and the earth."
        with doc.transaction():
            made[item_id] = {
                "anchor": Anchor.verse("Gen.1.1", work="Bible.KJV", quote=quote).to_json(),
                "createdAt": 1_790_000_000_000 + number,
                "createdBy": "",
            }
            fields[f"{item_id}/color"] = "yellow"
            fields[f"{item_id}/style"] = "highlight"
            fields[f"{item_id}/updatedAt"] = 1_790_000_000_000 + number
    doc.unobserve(subscription)
    return updates


async def join(load: Load) -> Client:
    """Connect, and return once the relay has answered step 1."""
    _, client = await ws_connect(Client, f"{load.url}/{load.room}", extra_headers=DEFLATE)
    assert isinstance(client, Client)
    if load.names_document:
        client.send(message(load, 2, 0, b"token"))
    client.send(message(load, SYNC, 0, b"\x00"))
    client.send(message(load, SYNC, STEP_2, b"\x00\x00"))
    async with asyncio.timeout(WITHIN_S):
        while not any((body := body_of(load, data)) and body[1] == STEP_2 for _, data in client.messages()):
            await client.news.wait()
            client.news.clear()
    return client


async def write(load: Load, clients: list[Client], frames: list[list[bytes]]) -> dict[tuple[int, int], float]:
    """Send everything, in turn over the writers; return when each was sent."""
    sent: dict[tuple[int, int], float] = {}
    began = time.perf_counter()
    for number in range(load.updates):
        for writer in range(load.writers):
            if load.per_s is not None:
                due = began + len(sent) / load.per_s
                while (wait := due - time.perf_counter()) > 0:  # noqa: ASYNC110 - a pace, not a condition
                    await asyncio.sleep(wait if wait > 0.002 else 0)
            sent[writer, number] = time.perf_counter()
            clients[writer].send(frames[writer][number])
        if load.per_s is None:
            await asyncio.sleep(0)
    return sent


async def until_silent(clients: list[Client], expected: int, began: float) -> float:
    """Wait until everybody has everything and nothing comes any more; return how busy this process was till then."""
    used_before = time.process_time()
    deadline, before, changed, used = began + WITHIN_S, -1, began, used_before
    while time.perf_counter() < deadline:
        arrived = sum(len(client.frames) for client in clients)
        if arrived != before:
            before, changed, used = arrived, time.perf_counter(), time.process_time()
        elif time.perf_counter() - changed > SILENCE_S and all(is_whole(client, expected) for client in clients):
            return (used - used_before) / max(changed - began, 0.1)
        await asyncio.sleep(0.1)
    raise AssertionError(f"not everything had arrived after {WITHIN_S:.0f} s")


MARKS: dict[bytes, frozenset[tuple[int, int]]] = {}  # the same bytes go to many clients


def marks_in(data: bytes) -> frozenset[tuple[int, int]]:
    """Return the numbers of the highlights in a message."""
    found = MARKS.get(data)
    if found is None:
        found = MARKS[data] = frozenset((int(writer), int(number)) for writer, number in MARK.findall(data))
    return found


def is_whole(client: Client, expected: int) -> bool:
    """Say whether a client has been sent every highlight."""
    return len(set().union(*(marks_in(data) for _, data in client.messages()))) == expected


def check_content(load: Load, client: Client) -> None:
    """Apply what one client was sent, and see that the document holds every highlight whole."""
    doc: Doc[Any] = Doc()
    for _, data in client.messages():
        body = body_of(load, data)
        if body is not None and body[1] in (STEP_2, UPDATE):
            doc.apply_update(body[2])
    count = load.writers * load.updates
    assert len(doc.get("highlights", type=Map)) == count
    assert len(doc.get("fields", type=Map)) == 3 * count


async def run(load: Load) -> Report:
    """Do what `load` says, and check every delivery."""
    frames = [
        [message(load, SYNC, UPDATE, update) for update in highlights(writer, load.updates)]
        for writer in range(load.writers)
    ]
    clients = [await join(load) for _ in range(load.clients)]
    await asyncio.sleep(0.2)
    for client in clients:
        client.frames.clear()
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(write(load, clients, frames))
        silence = tasks.create_task(until_silent(clients, load.writers * load.updates, began))
    sent = writing.result()
    latencies, last = [], began
    for number, client in enumerate(clients):
        arrived: dict[tuple[int, int], float] = {}
        for at, data in client.messages():
            for mark in marks_in(data):
                arrived.setdefault(mark, at)
        assert arrived.keys() == sent.keys()
        latencies += [arrived[mark] - sent[mark] for mark in sent]
        last = max(last, *arrived.values())
        if number in (0, load.clients - 1):
            check_content(load, client)
    cuts = quantiles(latencies, n=100)
    return Report(
        deliveries=len(latencies),
        seconds=last - min(sent.values()),
        p50_ms=cuts[49] * 1e3,
        p99_ms=cuts[98] * 1e3,
        max_ms=max(latencies) * 1e3,
        frames=sum(len(client.frames) for client in clients),
        busy=silence.result(),
    )


if __name__ == "__main__":
    uvloop.install()
    print(json.dumps(asdict(uvloop.run(run(Load(**json.loads(sys.argv[1])))))))
