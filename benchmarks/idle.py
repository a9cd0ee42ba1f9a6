"""Idle connections, a room each: what one costs in memory, what they cost in CPU, how long one takes to join and sync.

The clients are many to a process and say nothing after their sync, as a reader's open tab at night.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import uvloop

from benchmarks.common import LOAD_CORE, pin, rounds, save
from benchmarks.load import Load, join
from benchmarks.servers import HOCUSPOCUS, OURS, PYCRDT_WEBSOCKET, Y_WEBSOCKET, Server, running

SERVERS = (OURS, Y_WEBSOCKET, HOCUSPOCUS, PYCRDT_WEBSOCKET)
COUNTS = (1_000, 10_000)
IDLE_S = 10.0


async def hold(load: Load) -> None:
    """Join `load.clients` rooms, say how long each took, and hold on until standard input ends."""
    times_ms, clients = [], []
    for number in range(load.clients):
        began = time.perf_counter()
        clients.append(await join(replace(load, room=f"{load.room}-{number}")))
        times_ms.append((time.perf_counter() - began) * 1e3)
    cuts = quantiles(times_ms, n=100)
    print(json.dumps({"join_p50_ms": cuts[49], "join_p99_ms": cuts[98]}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def ask(server: Server, count: int, room: str) -> dict[str, float]:
    """Return what `count` idle connections cost one relay."""
    load = Load(server.url, room, server.names_document, clients=count)
    before_mb = server.memory_mb()
    holder = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.idle", json.dumps(asdict(load))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=pin(LOAD_CORE),
    )
    assert holder.stdout is not None
    figures: dict[str, float] = json.loads(holder.stdout.readline())
    figures["kb_each"] = (server.memory_mb() - before_mb) * 1e3 / count
    used_s = server.cpu_s()
    time.sleep(IDLE_S)
    figures["cpu_percent"] = (server.cpu_s() - used_s) / IDLE_S * 100
    holder.communicate()
    return figures


def raise_limits() -> int:
    """Allow as many open sockets as the system lets us; return how many that is. Children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def main() -> None:
    limit = raise_limits()
    raw: dict[str, dict[str, list[dict[str, float]]]] = {}
    for count in COUNTS:
        if count + 100 > limit:
            print(f"{count} connections are more than the {limit} open files that this machine allows")
            continue
        raw[str(count)] = {name: [] for name in SERVERS}
        for round_ in range(rounds()):
            for name in SERVERS:  # each in a process of its own: what a connection cost is not given back by all
                with tempfile.TemporaryDirectory() as folder, running(Path(folder), name) as (server,):
                    ask(server, 50, "warm")
                    raw[str(count)][name].append(ask(server, count, "idle"))
                    print(f"{round_} {count:6} {name:18} {raw[str(count)][name][-1]}", flush=True)
    figures: dict[str, Any] = {
        f"{count} connections": {
            name: {key: round(median(report[key] for report in reports), 2) for key in reports[0]}
            for name, reports in of.items()
        }
        for count, of in raw.items()
    }
    save("idle", {**figures, "rounds": raw})


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvloop.run(hold(Load(**json.loads(sys.argv[1]))))
    else:
        main()
