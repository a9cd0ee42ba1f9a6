"""A slow reader: ten clients write for 30 seconds, and one that is in their room reads nothing. What does it cost?

Each highlight carries a comment of 8,000 bytes, as when somebody pastes a page: 250 a second, two MB/s in all. `growth`
is what the relay's memory grew by meanwhile. The warm-up is the same without the slow reader: the document grows in
every relay, and the difference is the reader's. At the end it reads again, and must be sent everything.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop
from picows import WSParsedURL, ws_connect

from benchmarks.client import (
    DEFLATE,
    JOIN_WITHIN_S,
    MAX_FRAME_BYTES,
    Client,
    Progress,
    join_all,
    start_timing,
    until,
    update_message,
)
from benchmarks.common import rounds, save
from benchmarks.figures import medians, spread
from benchmarks.processes import LoadFailed, loading, watched
from benchmarks.servers import SIDE_BY_SIDE, Server, running
from benchmarks.wire import FIELDS_EACH, Mark, Room, first_arrivals, highlights, highlights_held

WRITERS = 10
SECONDS = 30
PER_S = 250
COMMENT_BYTES = 8_000
RECEIVE_BUFFER_BYTES = 16 * 1024
CATCH_UP_WITHIN_S = 30.0
MEMORY_LIMIT_MB = 4_000.0


@dataclass(frozen=True, slots=True)
class Slow:
    """Ten write; if `stalled`, an eleventh stops reading."""

    url: str
    room: str
    names_document: bool
    stalled: bool


async def join_slowly(room: Room) -> Client:
    """Join with a small receive buffer, and stop reading."""

    def small(url: WSParsedURL) -> socket.socket:
        address = urlsplit(room.url)
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        made.connect((address.hostname, address.port))
        made.setblocking(False)
        return made

    _, client = await ws_connect(
        Client,
        f"{room.url}/{room.name}",
        extra_headers=DEFLATE,
        max_frame_size=MAX_FRAME_BYTES,
        websocket_handshake_timeout=JOIN_WITHIN_S,
        socket_factory=small,
    )
    assert isinstance(client, Client)
    for message in room.hello():
        client.send(message)
    while not client.frames:
        await client.news.wait()
    assert client.transport is not None
    client.transport.underlying_transport.pause_reading()
    return client


async def run(spec: Slow) -> None:
    room = Room(spec.url, spec.room, spec.names_document)
    each = SECONDS * PER_S // WRITERS
    frames = [
        [update_message(room, update) for update in highlights(writer, each, comment_bytes=COMMENT_BYTES)]
        for writer in range(WRITERS)
    ]
    clients = await join_all([room] * WRITERS)
    slow = await join_slowly(room) if spec.stalled else None
    print(json.dumps({"joined": len(clients)}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    start_timing()
    sent: dict[Mark, float] = {}
    progress = Progress(clients)
    began = time.perf_counter()
    for number in range(each):
        for writer in range(WRITERS):
            await until(began + len(sent) / PER_S)
            sent[writer, number] = time.perf_counter()
            clients[writer].send(frames[writer][number])

    def is_complete() -> bool:
        return all(len(first_arrivals(client.messages())) == len(sent) for client in clients)

    finished = await progress.until(is_complete, began + SECONDS * 2)
    arrivals = [first_arrivals(client.messages()) for client in clients]
    if finished:
        check_content(room, clients[0], len(sent))
    latencies = [at - sent[mark] for arrived in arrivals for mark, at in arrived.items()]
    report = {
        "finished": finished,
        "deliveries": len(latencies),
        "content_mb": sum(len(frame) for of in frames for frame in of) / 1e6,
        **spread(latencies),
        "busy": progress.busy,
    }
    print(json.dumps(report), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    if slow is not None:
        report = await catch_up(slow, len(sent))
        if report["caught_up"]:
            check_content(room, slow, len(sent))
        print(json.dumps(report), flush=True)


def check_content(room: Room, client: Client, expected: int) -> None:
    """Apply what a client was sent, and see that the document holds every highlight with its comment."""
    assert highlights_held(room.updates(client.everything()), fields_each=FIELDS_EACH + 1) == expected


async def catch_up(slow: Client, expected: int) -> dict[str, Any]:
    """Let the slow reader read; say how long it took until it had everything, and in how many frames."""
    if slow.is_open and slow.transport is not None:
        slow.transport.underlying_transport.resume_reading()
    began = time.perf_counter()

    def has_everything() -> bool:
        return len(first_arrivals(slow.messages())) == expected

    caught_up = await Progress([slow]).until(has_everything, began + CATCH_UP_WITHIN_S)
    return {"caught_up": caught_up, "catch_up_s": slow.frames[-1][0] - began, "catch_up_frames": len(slow.frames)}


def ask(server: Server, name: str, *, stalled: bool) -> dict[str, Any]:
    """Run it in one room of one relay, newly started."""
    place = server.room(name)
    with loading("slow_reader", asdict(Slow(place.url, place.name, place.names_document, stalled))) as load:
        load.report(60)
        before_mb = server.memory_mb()
        used_s = server.cpu_s()
        with watched(server.process, MEMORY_LIMIT_MB) as watch:
            load.go()
            report = load.report(SECONDS * 4)
        if not watch.exceeded:
            report["growth_mb"] = server.memory_mb() - before_mb
            report["cpu_percent"] = (server.cpu_s() - used_s) / SECONDS * 100
        report["peak_growth_mb"] = watch.peak_mb - before_mb
        load.go()
        if stalled:
            report.update(load.report(CATCH_UP_WITHIN_S * 2))
    return report


def main() -> None:
    raw: dict[str, dict[str, list[dict[str, Any]]]] = {
        title: {name: [] for name in SIDE_BY_SIDE} for title in ("everybody reads", "one reads nothing")
    }
    for round_ in range(rounds(at_most=2) + 1):
        title = "one reads nothing" if round_ else "everybody reads"
        for name in SIDE_BY_SIDE:
            with tempfile.TemporaryDirectory() as folder, running(Path(folder), name) as (server,):
                try:
                    report = ask(server, f"slow-{round_}", stalled=bool(round_))
                except LoadFailed as error:
                    report = {"finished": False, "error": str(error)[-300:]}
            raw[title][name].append(report)
            print(f"{round_} {title:18} {name:18} {json.dumps(report)}", flush=True)
    figures = {title: {name: medians(reports) for name, reports in of.items()} for title, of in raw.items()}
    save("slow_reader", {"seconds": SECONDS, "per_s": PER_S, "medians": figures, "rounds": raw})


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvloop.run(run(Slow(**json.loads(sys.argv[1]))))
    else:
        main()
