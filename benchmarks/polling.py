"""What polling costs beside a WebSocket: device to device, and the relay for each client that only listens.

Both ways run in one process and one relay, in turns. Idle clients are raw sessions that complete a sync and then wait,
as a device does: the WebSockets send nothing, each polling one keeps one request waiting. Linux only, for /proc.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import SystemRandom
from typing import Any

import anyio
import httpx

from benchmarks.common import LOAD_CORE, SERVER_CORE, pin, save
from crdt_sync import Anchor, open_library
from crdt_sync.protocol.messages import SyncStep1, SyncStep2, decode, encode
from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync.sync.polling import PollingConnect
from crdt_sync.sync.transport import Connect, Transport
from crdt_sync.sync.websocket import WebSocketConnect
from tests.relay import RelayProcess

ROUNDS, EDITS_PER_ROUND = 5, 100
IDLE_CLIENTS, IDLE_S = 200, 45.0
"""Long enough for every poll to have been answered and made again, twice: the relay speaks every 20 s."""
WAYS = ("websocket", "polling")


async def edits(folder: Path, relay: RelayProcess, way: Any, round_: int) -> list[float]:
    times_ms = []
    async with (
        open_library(folder / f"{way}-a", relay=relay.url, room=way, transport=way) as a,
        open_library(folder / f"{way}-b", relay=relay.url, room=way, transport=way) as b,
        b.changes() as feed,
    ):
        assert await a.synced(10)
        assert await b.synced(10)
        assert (a.status.transport, b.status.transport) == (way, way)
        for number in range(EDITS_PER_ROUND + 10):
            began = time.perf_counter()
            await a.add_highlight(Anchor.verse(f"Gen.{round_ + 1}.{number}", work="Bible.KJV"))
            await feed.take()
            times_ms.append((time.perf_counter() - began) * 1e3)
    return times_ms[10:]


async def latencies(folder: Path, relay: RelayProcess) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for round_ in range(ROUNDS):
        for way in WAYS:
            times[way] += await edits(folder, relay, way, round_)
    return {way: sorted(times[way]) for way in WAYS}


def relay_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def relay_memory_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


async def sit(connect: Connect, ready: Callable[[], Awaitable[None]], room: anyio.Semaphore) -> None:
    """Complete a sync, say so, and listen for ever."""
    async with AsyncExitStack() as stack:
        async with room:  # not all at once
            transport: Transport = await stack.enter_async_context(connect(None))
            await transport.send(encode(SyncStep1(b"\x00")))
            await transport.send(encode(SyncStep2(EMPTY_UPDATE)))
            while not any(isinstance(message, SyncStep2) for message in decode(await transport.receive())):
                pass
        await ready()
        while True:
            await transport.receive()


async def idle(relay: RelayProcess, way: str) -> dict[str, float]:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    before_kib = relay_memory_kib(relay.pid)
    async with httpx.AsyncClient(timeout=30, limits=limits) as client, anyio.create_task_group() as tasks:
        count = 0
        all_ready = anyio.Event()

        async def ready() -> None:
            nonlocal count
            count += 1
            if count == IDLE_CLIENTS:
                all_ready.set()

        room = anyio.Semaphore(10)
        for number in range(IDLE_CLIENTS):
            name = f"idle-{number % 20}"  # rooms of ten
            connect: Connect = (
                WebSocketConnect(relay.url, name, client)
                if way == "websocket"
                else PollingConnect(relay.url, name, client, random=SystemRandom())
            )
            tasks.start_soon(sit, connect, ready, room)
        with anyio.fail_after(60):
            await all_ready.wait()
        await anyio.sleep(2)
        began_s, began_cpu_s = time.perf_counter(), relay_cpu_s(relay.pid)
        await anyio.sleep(IDLE_S)
        cpu_s = relay_cpu_s(relay.pid) - began_cpu_s
        result = {
            "CPU of one core, % for 1,000": round(
                cpu_s / (time.perf_counter() - began_s) * 100 / IDLE_CLIENTS * 1000, 2
            ),
            "memory, KiB each": round((relay_memory_kib(relay.pid) - before_kib) / IDLE_CLIENTS, 1),
        }
        tasks.cancel_scope.cancel()
    return result


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        figures: dict[str, Any] = {}
        with RelayProcess(Path(name) / "relay") as relay:
            if pin(SERVER_CORE) is not None:
                os.sched_setaffinity(relay.pid, {SERVER_CORE})
                os.sched_setaffinity(0, {LOAD_CORE})
            for way, times in anyio.run(latencies, Path(name), relay).items():
                figures[f"{way}: device to device, p50, ms"] = round(times[len(times) // 2], 2)
                figures[f"{way}: device to device, p99, ms"] = round(times[len(times) * 99 // 100], 2)
        for way in WAYS:  # a fresh relay for each, as memory is not given back
            with RelayProcess(Path(name) / f"relay-{way}") as relay:
                if pin(SERVER_CORE) is not None:
                    os.sched_setaffinity(relay.pid, {SERVER_CORE})
                for what, figure in anyio.run(idle, relay, way).items():
                    figures[f"{way}: relay, each of {IDLE_CLIENTS} idle clients, {what}"] = figure
        save("polling", figures)
