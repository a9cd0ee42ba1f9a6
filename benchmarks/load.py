"""The load of the fan-out: many clients of one room in one process.

Run as `python -m benchmarks.load SPEC`, SPEC being the JSON of a `Load`; it prints a `Report` as JSON. While the clock
runs a client keeps (when, bytes) of each frame and no more. `busy` says how much of its core the load had used, and
`benchmarks/ceiling.py` how much it could take.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass

import uvloop

from benchmarks.client import Client, Progress, join, start_timing, until, update_message
from benchmarks.figures import spread
from benchmarks.wire import Mark, Room, first_arrivals, highlights, highlights_held


@dataclass(frozen=True, slots=True)
class Load:
    """`writers` of the `clients` make `updates` highlights each, `per_s` a second in all, or as fast as they go.

    Where there are `others`, relays of the same rooms, the clients go to all of them in turn.
    """

    url: str
    room: str
    names_document: bool
    clients: int = 110
    writers: int = 10
    updates: int = 200
    per_s: float | None = None
    within_s: float = 15.0
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """`seconds` from the first send to the last arrival; latencies from each send to each arrival, in ms.

    `finished` is False if `within_s` after the last send not everybody had everything; `deliveries` is what was there.
    """

    finished: bool
    deliveries: int
    expected: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    frames: int
    busy: float
    within_p50_ms: float | None = None
    """Of latencies between clients of one relay; None where there is one."""
    within_p99_ms: float | None = None
    across_p50_ms: float | None = None
    """Of latencies from a client of one relay to one of another."""
    across_p99_ms: float | None = None


async def write(load: Load, clients: list[Client], frames: list[list[bytes]], sent: dict[Mark, float]) -> None:
    """Send everything, in turn over the writers; note in `sent` when each was."""
    began = time.perf_counter()
    for number in range(load.updates):
        for writer in range(load.writers):
            if load.per_s is not None:
                await until(began + len(sent) / load.per_s)
            sent[writer, number] = time.perf_counter()
            clients[writer].send(frames[writer][number])
        if load.per_s is None:
            await asyncio.sleep(0)


def check_content(room: Room, client: Client, expected: int) -> None:
    """Apply what one client was sent, and see that the document holds every highlight whole."""
    assert highlights_held(room.updates(client.messages())) == expected


def delivered(client: Client) -> dict[Mark, float]:
    """Return when a client got each highlight."""
    return first_arrivals(client.messages())


async def run(load: Load) -> Report:
    """Do what `load` says, and check every delivery."""
    room = Room(load.url, load.room, load.names_document)
    frames = [
        [update_message(room, update) for update in highlights(writer, load.updates)] for writer in range(load.writers)
    ]
    places = [Room(url, load.room, load.names_document) for url in (load.url, *load.others)]
    clients = [await join(places[number % len(places)]) for number in range(load.clients)]
    await asyncio.sleep(0.2)
    for client in clients:
        client.start_over()
    start_timing()
    sent: dict[Mark, float] = {}
    progress = Progress(clients)
    await write(load, clients, frames, sent)

    def is_complete() -> bool:
        return all(len(delivered(client)) == len(sent) for client in clients)

    finished = await progress.until(is_complete, time.perf_counter() + load.within_s)
    arrivals = [delivered(client) for client in clients]
    latencies = [at - sent[mark] for arrived in arrivals for mark, at in arrived.items()]
    if finished:
        for client in (clients[0], clients[-1]):
            check_content(room, client, len(sent))
    last = max((at for arrived in arrivals for at in arrived.values()), default=time.perf_counter())
    return Report(
        finished=finished,
        deliveries=len(latencies),
        expected=len(sent) * len(clients),
        seconds=last - min(sent.values()),
        **spread(latencies),
        frames=sum(client.count for client in clients),
        busy=progress.busy,
        **(_apart(arrivals, sent, len(places)) if load.others else {}),
    )


def _apart(arrivals: list[dict[Mark, float]], sent: dict[Mark, float], relays: int) -> dict[str, float]:
    """Return the latencies within a relay and across relays; client n and writer n are at relay n modulo `relays`."""
    within: list[float] = []
    across: list[float] = []
    for number, arrived in enumerate(arrivals):
        for mark, at in arrived.items():
            (within if mark[0] % relays == number % relays else across).append(at - sent[mark])
    return {
        f"{name}_{key}": value
        for name, latencies in (("within", within), ("across", across))
        for key, value in spread(latencies).items()
        if key != "max_ms"
    }


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(run(Load(**json.loads(sys.argv[1])))))))
