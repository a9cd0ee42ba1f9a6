"""Presence: 200 clients in one room move their cursors twice a second for ten seconds.

A relay may leave out a position that a newer one has overtaken, so what counts is when each client knows that another
has moved that far or further. At the end everybody must know where everybody is.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from bisect import bisect_left
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.client import Client, Progress, join_all, start_timing, until
from benchmarks.common import rounds, save
from benchmarks.figures import medians, spread
from benchmarks.processes import LoadFailed, loading
from benchmarks.servers import OURS, SIDE_BY_SIDE, Server, running
from benchmarks.wire import AWARENESS, Arrived, Room
from crdt_sync.protocol.wire import Reader, write_string, write_var_uint

CLIENTS = 200
MOVES = 20
PER_S = 2.0
FIRST_ID = 1_000
WITHIN_S = 25.0
JOIN_WITHIN_S = 60.0

States = tuple[tuple[int, int], ...]  # client id and clock of each entry


@dataclass(frozen=True, slots=True)
class Cursors:
    """`clients` move `moves` times, `per_s` times a second each."""

    url: str
    room: str
    names_document: bool
    clients: int = CLIENTS
    moves: int = MOVES
    per_s: float = PER_S


def move(room: Room, client: int, clock: int) -> bytes:
    """Return the message that says where a client's cursor is: an awareness of one entry."""
    state = {"name": f"Reader {client}", "cursor": {"anchor": clock * 37 % 4096, "head": clock * 37 % 4096 + 12}}
    entry = bytearray()
    for value in (1, FIRST_ID + client, clock):
        write_var_uint(entry, value)
    write_string(entry, json.dumps(state))
    return room.message(AWARENESS, bytes(entry))


def states_in(room: Room, message: bytes) -> States:
    """Return the client ids and clocks that a message tells; nothing if it is no awareness."""
    reader = room.body(message)
    if reader.var_uint() != AWARENESS:
        return ()
    entries = Reader(reader.bytes())
    found = []
    for _ in range(entries.var_uint()):
        found.append((entries.var_uint(), entries.var_uint()))
        entries.string()
    return tuple(found)


def known_since(messages: list[tuple[float, States]]) -> dict[int, tuple[list[int], list[float]]]:
    """Return, for each client id, the rising clocks that were told and when each was."""
    known: dict[int, tuple[list[int], list[float]]] = {}
    for at, states in messages:
        for client, clock in states:
            clocks, times = known.setdefault(client, ([], []))
            if not clocks or clock > clocks[-1]:
                clocks.append(clock)
                times.append(at)
    return known


async def run(spec: Cursors) -> dict[str, Any]:
    """Move all cursors; say how long each took to be known, and check that all are."""
    room = Room(spec.url, spec.room, spec.names_document)
    clients = await join_all([room] * spec.clients)
    moves = [[move(room, number, clock) for clock in range(1, spec.moves + 1)] for number in range(spec.clients)]
    await asyncio.sleep(0.5)
    for client in clients:
        client.start_over()
    print(json.dumps({"joined": len(clients)}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    start_timing()
    progress = Progress(clients)
    sent: dict[tuple[int, int], float] = {}
    began = time.perf_counter()
    for turn in range(spec.moves):
        for number, client in enumerate(clients):
            await until(began + (turn + number / spec.clients) / spec.per_s)
            sent[number, turn + 1] = time.perf_counter()
            client.send(moves[number][turn])

    figures: dict[str, Any] = {}

    def is_complete() -> bool:
        figures.update(evaluate(room, clients, spec, sent))
        return bool(figures["finished"])

    await progress.until(is_complete, began + WITHIN_S)
    return {**figures, "busy": progress.busy}


def evaluate(room: Room, clients: list[Client], spec: Cursors, sent: dict[tuple[int, int], float]) -> dict[str, Any]:
    """Return how long each move took to be known to each other client, and whether all were."""
    decoded: dict[bytes, States] = {}

    def states(arrived: Arrived) -> tuple[float, States]:
        at, message = arrived
        if message not in decoded:
            decoded[message] = states_in(room, message)
        return at, decoded[message]

    latencies: list[float] = []
    for number, client in enumerate(clients):
        known = known_since([states(arrived) for arrived in client.messages()])
        for other in range(spec.clients):
            clocks, times = known.get(FIRST_ID + other, ([], []))
            for clock in range(1, spec.moves + 1):
                if other != number and (place := bisect_left(clocks, clock)) < len(clocks):
                    latencies.append(times[place] - sent[other, clock])
    expected = spec.clients * (spec.clients - 1) * spec.moves
    frames = sum(client.count for client in clients)
    return {
        "finished": len(latencies) == expected,
        "known": len(latencies),
        "expected": expected,
        **spread(latencies),
        "frames": frames,
        "received_mb": sum(len(message) for client in clients for _, message in client.messages()) / 1e6,
    }


def ask(server: Server, name: str) -> dict[str, Any]:
    """Run the cursors in one room of one relay."""
    place = server.room(name)
    with loading("presence", asdict(Cursors(place.url, place.name, place.names_document))) as load:
        load.report(JOIN_WITHIN_S)
        used_s, began = server.cpu_s(), time.perf_counter()
        load.go()
        time.sleep(MOVES / PER_S)
        cpu_percent = (server.cpu_s() - used_s) / (time.perf_counter() - began) * 100
        report = load.report(WITHIN_S * 4)
    return {**report, "cpu_percent": cpu_percent}


def main() -> None:
    raw: dict[str, list[dict[str, Any]]] = {name: [] for name in SIDE_BY_SIDE}
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), *SIDE_BY_SIDE) as servers:
        for round_ in range(rounds()):
            for server in servers:
                if raw[server.name] and not raw[server.name][-1]["finished"] and server.name != OURS:
                    continue  # a peer that could not is not asked again
                try:
                    raw[server.name].append(ask(server, f"presence-{round_}"))
                except LoadFailed as error:
                    print(f"{round_} {server.name}: {error}", flush=True)
                    raw[server.name].append({"finished": False, "known": 0})
                print(f"{round_} {server.name:18} {json.dumps(raw[server.name][-1])}", flush=True)
    save("presence", {"medians": {name: medians(reports) for name, reports in raw.items()}, "rounds": raw})


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(uvloop.run(run(Cursors(**json.loads(sys.argv[1]))))))
    else:
        main()
