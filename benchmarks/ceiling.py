"""How much can the load itself take? A server that only blasts prebuilt frames, and the clients of the fan-out.

The server asks nothing of its core: it hands the kernel the same bytes, many frames at a time. So what is measured is
how fast 110 clients in one process read, cut and keep frames, first of one highlight each, then of 200. A figure of
another benchmark that comes near these would be one of the load, and not of the relay.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from functools import cache
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from benchmarks.client import Progress, connect, start_timing, update_message
from benchmarks.common import SERVER_CORE, pin, rounds, save
from benchmarks.figures import medians
from benchmarks.processes import loading
from benchmarks.wire import Room, highlights, marks_in

CLIENTS = 110
SHAPES = {"frames of one highlight": (4_000, 1), "frames of 200 highlights": (200, 200)}  # frames a client, highlights
AT_ONCE = 50
WITHIN_S = 60.0
PLACE = Room("", "")


@cache
def frame_of(highlights_in_it: int) -> bytes:
    """Return the message that the server blasts."""
    return update_message(PLACE, b"".join(highlights(0, highlights_in_it)))


def server_frame(payload: bytes) -> bytes:
    """Return an unmasked frame, as a server sends it (RFC 6455, section 5.2)."""
    length = len(payload)
    if length < 126:
        return bytes((0x82, length)) + payload
    if length < 2**16:
        return bytes((0x82, 126)) + length.to_bytes(2, "big") + payload
    return bytes((0x82, 127)) + length.to_bytes(8, "big") + payload


class Blaster(WSListener):  # type: ignore[misc]
    """Answers a JSON list of (frames, highlights) with that many frames, and waits while the socket is full."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()
        self.task: asyncio.Task[None] | None = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.BINARY:
            self.task = asyncio.ensure_future(self.blast(transport, *json.loads(frame.get_payload_as_bytes())))

    def pause_writing(self) -> None:
        self.free.clear()

    def resume_writing(self) -> None:
        self.free.set()

    async def blast(self, transport: WSTransport, frames: int, each: int) -> None:
        """Write the frames, many at a time."""
        at_once = AT_ONCE if each == 1 else 1
        block = server_frame(frame_of(each)) * at_once
        for _ in range(frames // at_once):
            await self.free.wait()
            transport.underlying_transport.write(block)
            await asyncio.sleep(0)


async def serve() -> None:
    """Serve until killed; print the address."""

    def accept(request: WSUpgradeRequest) -> WSListener:
        return Blaster()

    server = await ws_create_server(accept, "127.0.0.1", 0)
    print(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


async def run(url: str, frames: int, each: int) -> dict[str, Any]:
    """Take everything, and check every frame."""
    clients = [await connect(f"{url}/") for _ in range(CLIENTS)]
    start_timing()
    began = time.perf_counter()
    progress = Progress(clients)
    for client in clients:
        client.send(json.dumps([frames, each]).encode())
    await progress.until(lambda: all(len(client.frames) == frames for client in clients), began + WITHIN_S)
    expected = clients[0].frames[0][1]
    seconds = max(client.frames[-1][0] for client in clients) - began
    for client in clients:
        assert len(client.frames) == frames, "a frame is missing"
        assert all(payload == expected for _, payload, _, _ in client.frames), "a frame is not what was sent"
    assert len(marks_in(expected)) == each
    count = frames * CLIENTS
    return {
        "seconds": seconds,
        "frames_per_s": count / seconds,
        "deliveries_per_s": count * each / seconds,
        "mb_per_s": count * len(expected) / seconds / 1e6,
        "busy": progress.busy,
    }


def main() -> None:
    raw: dict[str, list[dict[str, Any]]] = {shape: [] for shape in SHAPES}
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.ceiling", "serve"],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=pin(SERVER_CORE),
    ) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            for round_ in range(rounds() + 1):  # the first warms up
                for shape, (frames, each) in SHAPES.items():
                    with loading("ceiling", {"url": url, "frames": frames, "each": each}) as load:
                        report = load.report(WITHIN_S * 2)
                    if round_:
                        raw[shape].append(report)
                    print(f"{round_} {shape:26} {json.dumps(report)}", flush=True)
        finally:
            server.kill()
    save("ceiling", {"medians": {shape: medians(reports) for shape, reports in raw.items()}, "rounds": raw})


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        uvloop.run(serve())
    elif len(sys.argv) > 1:
        print(json.dumps(uvloop.run(run(**json.loads(sys.argv[1])))))
    else:
        main()
