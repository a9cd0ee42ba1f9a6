"""Idle connections, a room each: what one costs in memory, what they cost in CPU, how long one takes to join and sync.

The clients are many to a process and say nothing after their sync, as a reader's open tab at night. All relays hold
their connections during the same ten seconds, and each is asked for its own processor time.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.client import Client, join
from benchmarks.common import rounds, save
from benchmarks.figures import medians, spread
from benchmarks.processes import loading
from benchmarks.servers import SIDE_BY_SIDE, running
from benchmarks.wire import Room

COUNTS = {1_000: 5, 10_000: 2}  # connections: rounds at most
WARM = 50
IDLE_S = 10.0
WITHIN_S = 180.0


@dataclass(frozen=True, slots=True)
class Idle:
    """`connections` join rooms of their own, called `room`-0 and so on."""

    url: str
    room: str
    names_document: bool
    connections: int


async def hold(spec: Idle) -> None:
    """Join, say how long each took, and hold on until told; then say how many are still there."""
    times_s: list[float] = []
    clients: list[Client] = []
    began = time.perf_counter()
    for number in range(spec.connections):
        since = time.perf_counter()
        clients.append(await join(Room(spec.url, f"{spec.room}-{number}", spec.names_document)))
        times_s.append(time.perf_counter() - since)
    seconds = time.perf_counter() - began
    print(json.dumps({"joined": len(clients), "seconds": seconds, **spread(times_s)}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    print(json.dumps({"held": sum(client.is_open for client in clients)}), flush=True)


def ask(folder: Path, count: int) -> dict[str, dict[str, Any]]:
    """Return what `count` idle connections cost each relay, each in a new process of its own."""
    reports: dict[str, dict[str, Any]] = {}
    with running(folder, *SIDE_BY_SIDE) as servers, ExitStack() as stack:
        loads = {}
        for server in servers:
            place = server.room("idle")
            with loading("idle", asdict(Idle(place.url, "warm", place.names_document, WARM))) as warm:
                warm.report(WITHIN_S)
            before_mb = server.memory_mb()
            load = loads[server.name] = stack.enter_context(
                loading("idle", asdict(Idle(place.url, place.name, place.names_document, count)))
            )
            reports[server.name] = load.report(WITHIN_S)
            reports[server.name]["kb_each"] = (server.memory_mb() - before_mb) * 1e3 / count
        used_s = {server.name: server.cpu_s() for server in servers}
        time.sleep(IDLE_S)
        for server in servers:
            report = reports[server.name]
            report["cpu_percent"] = (server.cpu_s() - used_s[server.name]) / IDLE_S * 100
            loads[server.name].go()
            report.update(loads[server.name].report(WITHIN_S))
            report["finished"] = report["held"] == count
    return reports


def raise_limits() -> int:
    """Allow as many open sockets as the system lets us; return how many that is. Children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def main() -> None:
    limit = raise_limits()
    raw: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for count, at_most in COUNTS.items():
        if count + 100 > limit:
            print(f"{count} connections are more than the {limit} open files that this machine allows")
            continue
        of = raw[f"{count:,} connections"] = {name: [] for name in SIDE_BY_SIDE}
        for round_ in range(rounds(at_most)):
            with tempfile.TemporaryDirectory() as folder:
                for name, report in ask(Path(folder), count).items():
                    of[name].append(report)
                    print(f"{round_} {count:6} {name:18} {json.dumps(report)}", flush=True)
    figures = {title: {name: medians(reports) for name, reports in of.items()} for title, of in raw.items()}
    save("idle", {"idle_s": IDLE_S, "medians": figures, "rounds": raw})


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvloop.run(hold(Idle(**json.loads(sys.argv[1]))))
    else:
        main()
