"""The load of `api.py`: requests over connections that stay open, each sent when the one before is answered.

Run as `python -m benchmarks.api_load SPEC`, SPEC being the JSON of an `ApiLoad`; it prints a report as JSON. The client
reads no more of an answer than its status and length: `busy` says how much of its core it used all the same.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass

import uvloop

from benchmarks.figures import spread
from benchmarks.wire import highlights


@dataclass(frozen=True, slots=True)
class ApiLoad:
    """`each` requests on each of the `connections`. `first_writer` numbers the highlights that a POST brings.

    `status` and `length` are those of every answer; a `length` of -1 is not looked at.
    """

    port: int
    token: str
    method: str
    path: str
    each: int
    status: int
    length: int
    connections: int = 16
    first_writer: int = 0


def requests_of(load: ApiLoad, number: int) -> list[bytes]:
    """Return the requests of one connection, whole."""
    bodies = highlights(load.first_writer + number, load.each) if load.method == "POST" else [b""] * load.each
    head = (
        f"{load.method} {load.path} HTTP/1.1\r\nHost: 127.0.0.1:{load.port}\r\nAuthorization: Bearer {load.token}\r\n"
    )
    kind = "Content-Type: application/octet-stream\r\n" if load.method == "POST" else ""
    return [f"{head}{kind}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]


async def answered(reader: asyncio.StreamReader) -> tuple[int, int]:
    """Read one answer; return its status and the length of its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    length = next((int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")), 0)
    await reader.readexactly(length)
    return int(lines[0].split()[1]), length


async def ask(load: ApiLoad, requests: list[bytes], times: list[float]) -> None:
    """Send the requests of one connection in turn, and note how long each took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", load.port, limit=4 * 1024 * 1024)
    for request in requests:
        began = time.perf_counter()
        writer.write(request)
        status, length = await answered(reader)
        times.append(time.perf_counter() - began)
        assert status == load.status, (status, load)
        assert load.length in (-1, length), (length, load)
    writer.close()


async def run(load: ApiLoad) -> dict[str, float]:
    """Do what `load` says."""
    every = [requests_of(load, number) for number in range(load.connections)]
    times: list[float] = []
    began, began_cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for requests in every:
            tasks.create_task(ask(load, requests, times))
    seconds = time.perf_counter() - began
    busy = (time.process_time() - began_cpu) / seconds
    return {"requests_per_s": len(times) / seconds, **spread(times), "busy": busy}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(ApiLoad(**json.loads(sys.argv[1]))))))
