"""What one device costs: to come, to be there, to edit; in processor time and memory of relay, PostgreSQL and Redis.

A thousand rooms hold a small library each. They are loaded cold by two devices of one subject, held, and edited now and
then; each process is asked for its processor time, which says more on a busy machine than the clock. From these figures
`benchmarks.million` reckons what a million people need.

One relay runs on PostgreSQL and Redis with a second one beside it, so that what it stores is published; the devices are
all on the first.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import psutil
import uvloop

from benchmarks.client import Client, join_all, until, update_message
from benchmarks.cluster import Kind, Running, running, stay_on_the_server_core
from benchmarks.common import rounds, save
from benchmarks.figures import medians
from benchmarks.idle import raise_limits
from benchmarks.processes import LoadProcess, loading
from benchmarks.wire import Room, first_arrivals, highlights
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer

ROOMS = 1_000
DEVICES_EACH = 2
HELD_EACH = 50
"""Highlights in a room before: what a reader of a year has."""
EDITS, PER_S = 3_000, 300
HELD_S = 10.0
WITHIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Devices:
    """`rooms` rooms, `each` devices in every one of them."""

    url: str
    rooms: int
    each: int


def _say(**words: object) -> None:
    print(json.dumps(words), flush=True)


async def _told() -> None:
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def _edit(places: list[Room], clients: list[list[Client]], messages: list[list[bytes]]) -> tuple[int, int]:
    """Edit in rooms drawn by lot at the rate; return how many edits arrived, and how many should have."""
    random = Random(8)
    sent = [0] * len(places)
    began = time.perf_counter()
    for count in range(EDITS):
        await until(began + count / PER_S)
        number = random.randrange(len(places))
        if sent[number] < len(messages[number]):
            clients[number][0].send(messages[number][sent[number]])
            sent[number] += 1
    await asyncio.sleep(2)
    arrived = sum(len(first_arrivals(each.messages())) for room in clients for each in room)
    return arrived, sum(sent) * DEVICES_EACH


async def devices(spec: Devices) -> None:
    """Fill the rooms and leave; come again, stay, and edit, each when told."""
    places = [Room(spec.url, f"capacity-{number}") for number in range(spec.rooms)]
    updates = [highlights(number, HELD_EACH + 12) for number in range(spec.rooms)]
    clients = await join_all(places)
    for number, client in enumerate(clients):
        for update in updates[number][:HELD_EACH]:
            client.send(update_message(places[number], update))
        if number % 20 == 0:
            await asyncio.sleep(0.05)
    await asyncio.sleep(2)
    for client in clients:
        client.transport.disconnect()
    _say(filled=spec.rooms)
    await _told()
    every = await join_all([place for place in places for _ in range(spec.each)])
    rooms = [every[at : at + spec.each] for at in range(0, len(every), spec.each)]
    _say(joined=len(every))
    await _told()
    for client in every:
        client.start_over()
    messages = [
        [update_message(place, update) for update in updates[number][HELD_EACH:]] for number, place in enumerate(places)
    ]
    arrived, wanted = await _edit(places, rooms, messages)
    _say(arrived=arrived, wanted=wanted, open=sum(client.is_open for client in every))
    await _told()


@dataclass(slots=True)
class Used:
    """The processor time of the parts of an installation, in seconds."""

    relay: float
    postgres: float
    redis: float

    @classmethod
    def of(cls, server: Running, postgres: PostgresServer, redis: RedisServer) -> Used:
        """Read it now. A PostgreSQL process that has ended is in its parent's."""
        return cls(*(_cpu_s(pid) for pid in (server.relays[0].pid, postgres.pid, redis.pid)))

    def since(self, before: Used, count: float) -> dict[str, float]:
        """Return what each has used since, in milliseconds for each of `count`."""
        return {
            "relay_ms": (self.relay - before.relay) * 1e3 / count,
            "postgres_ms": (self.postgres - before.postgres) * 1e3 / count,
            "redis_ms": (self.redis - before.redis) * 1e3 / count,
        }


def _cpu_s(pid: int) -> float:
    root = psutil.Process(pid)
    times = [each.cpu_times() for each in (root, *root.children(recursive=True))]
    reaped = root.cpu_times()
    return sum(each.user + each.system for each in times) + reaped.children_user + reaped.children_system


def _memory_mb(server: Running) -> float:
    return float(psutil.Process(server.relays[0].pid).memory_info().rss) / 1e6


def ask(load: LoadProcess, server: Running, postgres: PostgresServer, redis: RedisServer) -> dict[str, dict[str, Any]]:
    """Return what the phases cost."""
    load.report(WITHIN_S)
    server.relays[0].restart()  # or it would take the memory of the rooms that it had before
    stay_on_the_server_core(server.relays[0].pid)
    time.sleep(2)  # it and the other one hear of each other
    memory_mb, before = _memory_mb(server), Used.of(server, postgres, redis)
    load.go()
    joined = load.report(WITHIN_S)["joined"]
    after = Used.of(server, postgres, redis)
    coming = {**after.since(before, joined), "kb": (_memory_mb(server) - memory_mb) * 1e3 / joined}
    time.sleep(HELD_S)
    held = Used.of(server, postgres, redis)
    staying = held.since(after, joined * HELD_S)
    load.go()
    edited = load.report(WITHIN_S)
    assert edited["open"] == joined, "connections were lost"
    editing = Used.of(server, postgres, redis).since(held, EDITS)
    editing["finished"] = edited["arrived"] == edited["wanted"]
    return {"a device comes": coming, "a device stays a second": staying, "an edit": editing}


def main() -> None:
    raise_limits()
    raw: dict[str, list[dict[str, Any]]] = {}
    kind = Kind("capacity", relays=2, backplane="redis")
    for round_ in range(rounds(3)):
        with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
            postgres = stack.enter_context(PostgresServer())
            redis = stack.enter_context(RedisServer(Path(place) / "redis"))
            server = stack.enter_context(running(kind, Path(place), postgres, redis))
            spec = asdict(Devices(server.relays[0].url, ROOMS, DEVICES_EACH))
            with loading("capacity", spec) as load:
                for what, figures in ask(load, server, postgres, redis).items():
                    raw.setdefault(what, []).append(figures)
                    print(f"{round_} {what:24} {json.dumps(figures)}", flush=True)
    save("capacity", {"medians": {what: medians(reports) for what, reports in raw.items()}, "rounds": raw})


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvloop.run(devices(Devices(**json.loads(sys.argv[1]))))
    else:
        main()
