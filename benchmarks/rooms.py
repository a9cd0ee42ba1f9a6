"""Many rooms: 1,000 rooms of three clients, each edited now and then, then all at once.

Now and then: 300 highlights a second in all, each in a room drawn by lot. All at once: five in every room, as fast as
they go. Every client must be sent every highlight of its own room. Ours commits the appends of all rooms together.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import uvloop

from benchmarks.client import Client, Progress, join_all, start_timing, until, update_message
from benchmarks.common import rounds, save
from benchmarks.figures import medians, spread
from benchmarks.processes import LoadFailed, loading, watched
from benchmarks.servers import SIDE_BY_SIDE, Server, running
from benchmarks.wire import Mark, Room, first_arrivals, highlights, highlights_held

ROOMS = 1_000
CLIENTS_EACH = 3
NOW_AND_THEN, PER_S = 3_000, 300
AT_ONCE = 5
WITHIN_S = 30.0
JOIN_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Rooms:
    """`rooms` of three clients each."""

    url: str
    room: str
    names_document: bool
    rooms: int
    seed: int


class Life:
    """The clients of all rooms, and what is still to be written in each."""

    def __init__(self, spec: Rooms) -> None:
        self.random = Random(spec.seed)
        self.places = [Room(spec.url, f"{spec.room}-{number}", spec.names_document) for number in range(spec.rooms)]
        self.drawn = [self.random.randrange(spec.rooms) for _ in range(NOW_AND_THEN)]
        self.counts = [AT_ONCE] * spec.rooms
        for number in self.drawn:
            self.counts[number] += 1
        self.waiting = [
            list(enumerate(update_message(place, update) for update in highlights(number, self.counts[number])))
            for number, place in enumerate(self.places)
        ]
        self.clients: list[list[Client]] = []

    async def join(self) -> None:
        """Bring all clients in."""
        flat = await join_all([place for place in self.places for _ in range(CLIENTS_EACH)])
        self.clients = [flat[at : at + CLIENTS_EACH] for at in range(0, len(flat), CLIENTS_EACH)]

    def write(self, number: int, sent: dict[Mark, float]) -> None:
        """Let a room's first client make its next highlight: an author's updates go by one connection, in order."""
        count, message = self.waiting[number].pop(0)
        sent[number, count] = time.perf_counter()
        self.clients[number][0].send(message)

    async def phase(self, numbers: Iterable[int], per_s: float | None) -> dict[str, Any]:
        """Write in these rooms, wait until all is there, and check it."""
        flat = [client for room in self.clients for client in room]
        for client in flat:
            client.start_over()
        sent: dict[Mark, float] = {}
        progress = Progress(flat)
        began = time.perf_counter()
        for count, number in enumerate(numbers):
            if per_s is not None:
                await until(began + count / per_s)
            elif count % 100 == 0:
                await asyncio.sleep(0)
            self.write(number, sent)

        def arrivals() -> list[tuple[int, dict[Mark, float]]]:
            numbered = [(number, client) for number, room in enumerate(self.clients) for client in room]
            return [(number, first_arrivals(client.messages())) for number, client in numbered]

        def is_complete() -> bool:
            return sum(len(arrived) for _, arrived in arrivals()) == len(sent) * CLIENTS_EACH

        finished = await progress.until(is_complete, time.perf_counter() + WITHIN_S)
        found = arrivals()
        assert all(writer == number for number, arrived in found for writer, _ in arrived), "another room's words"
        latencies = [at - sent[mark] for _, arrived in found for mark, at in arrived.items()]
        last = max((at for _, arrived in found for at in arrived.values()), default=began)
        return {
            "finished": finished,
            "deliveries": len(latencies),
            "deliveries_per_s": len(latencies) / max(last - began, 1e-9),
            **spread(latencies),
            "busy": progress.busy,
        }

    def check_content(self) -> None:
        """See that the last client of each room was sent its whole document."""
        for place, room, waiting, count in zip(self.places, self.clients, self.waiting, self.counts, strict=True):
            assert not waiting, "not all was written"
            assert highlights_held(place.updates(room[-1].everything())) == count


async def run(spec: Rooms) -> None:
    life = Life(spec)
    began = time.perf_counter()
    await life.join()
    print(json.dumps({"join_s": time.perf_counter() - began}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    start_timing()
    print(json.dumps(await life.phase(life.drawn, PER_S)), flush=True)
    everywhere = [number for _ in range(AT_ONCE) for number in range(spec.rooms)]
    report = await life.phase(everywhere, None)
    if report["finished"]:
        life.check_content()
    print(json.dumps(report), flush=True)


def ask(server: Server, seed: int) -> dict[str, dict[str, Any]]:
    """Return what one relay, newly started, makes of it."""
    place = server.room("many")
    before_mb = server.memory_mb()
    spec = Rooms(place.url, place.name, place.names_document, ROOMS, seed)
    with watched(server.process) as watch, loading("rooms", asdict(spec)) as load:
        joined = load.report(JOIN_WITHIN_S)
        joined["mb"] = server.memory_mb() - before_mb
        used_s, began = server.cpu_s(), time.perf_counter()
        load.go()
        calm = load.report(JOIN_WITHIN_S)
        calm["cpu_percent"] = (server.cpu_s() - used_s) / (time.perf_counter() - began) * 100
        flood = load.report(JOIN_WITHIN_S)
    joined["peak_mb"] = watch.peak_mb
    return {"3,000 clients join": joined, f"now and then, {PER_S}/s": calm, "all at once": flood}


def main() -> None:
    raw: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for round_ in range(rounds()):
        for name in SIDE_BY_SIDE:
            with tempfile.TemporaryDirectory() as folder, running(Path(folder), name) as (server,):
                try:
                    reports = ask(server, round_)
                except LoadFailed as error:
                    print(f"{round_} {name}: {error}", flush=True)
                    reports = {"3,000 clients join": {"finished": False, "join_s": JOIN_WITHIN_S}}
            for title, report in reports.items():
                raw.setdefault(title, {}).setdefault(name, []).append(report)
                print(f"{round_} {title:22} {name:18} {json.dumps(report)}", flush=True)
    figures = {title: {name: medians(reports) for name, reports in of.items()} for title, of in raw.items()}
    save("rooms", {"rooms_each": ROOMS, "clients_each": CLIENTS_EACH, "medians": figures, "rounds": raw})


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvloop.run(run(Rooms(**json.loads(sys.argv[1]))))
    else:
        main()
