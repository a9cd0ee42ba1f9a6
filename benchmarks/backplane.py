"""The backplanes side by side: in memory, on a Redis server, on LISTEN and NOTIFY of PostgreSQL; loopback, no TLS.

Three relays in one process, each subscribed. Steady: 300 updates of 100 bytes a second, each published alone, from the
relays in turn; how long until each relay has it, and how many bytes go in and out of Redis for one. Said: the same for
what is said. Flat out: one relay publishes for some seconds, one batch after the other, of 1 update or of 32; updates a
second until all three have the last. In a single process, so the flat figures are of publishing and hearing together.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import uvloop

from benchmarks.common import rounds, save
from benchmarks.figures import spread
from crdt_sync_server.backplane import Backplane, Carried, Committed, Missed, Said
from crdt_sync_server.backplanes.memory import MemoryBackplane, MemoryHub
from crdt_sync_server.backplanes.postgres import PostgresBackplane
from crdt_sync_server.backplanes.redis import RedisBackplane
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer

RELAYS, UPDATE_BYTES = 3, 100
PER_S, STEADY_S, FLAT_S = 300, 5, 3
WITHIN_S = 120

Open = Callable[[], list[Backplane]]


class Heard:
    """What the relays have heard: when each update and each word came, by its number."""

    def __init__(self) -> None:
        self.at_s: dict[int, list[float]] = {}
        self.missed = 0
        self.ends = 0
        self.last = -1
        self.all_have_the_last = asyncio.Event()

    async def follow(self, news: AsyncIterator[Carried]) -> None:
        async for carried in news:
            now_s = time.perf_counter()
            for each in carried.news:
                if isinstance(each, Missed):
                    self.missed += 1
                    continue
                number = each.position if isinstance(each, Committed) else int.from_bytes(each.words[:8])
                self.at_s.setdefault(number, []).append(now_s)
                if number == self.last:
                    self.ends += 1
            if self.ends == RELAYS:
                self.all_have_the_last.set()


async def with_relays(
    opened: Open, work: Callable[[list[Backplane], Heard], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    """Return what `work` measures with relays that all listen."""
    relays, heard = opened(), Heard()
    async with AsyncExitStack() as stack:
        tasks = []
        for relay in relays:
            stack.push_async_callback(relay.close)
            news = await stack.enter_async_context(relay.subscribe(None))
            tasks.append(asyncio.ensure_future(heard.follow(news)))
        try:
            return {**await asyncio.wait_for(work(relays, heard), WITHIN_S), "missed": heard.missed}
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def steady(
    relays: list[Backplane], heard: Heard, traffic: Callable[[], int] | None, *, said: bool
) -> dict[str, Any]:
    """Publish or say so many a second, and wait for the last."""
    count = PER_S * STEADY_S
    heard.last = count - 1
    sent_s: list[float] = []
    before = traffic() if traffic else 0
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number / PER_S - time.perf_counter()))
            sent_s.append(time.perf_counter())
            relay = relays[number % RELAYS]
            if said:
                words = number.to_bytes(8) + os.urandom(UPDATE_BYTES - 8)
                group.create_task(relay.say([Said("node", words)]))
            else:
                group.create_task(relay.publish([Committed("u/reader/books", number, os.urandom(UPDATE_BYTES))]))
    await heard.all_have_the_last.wait()
    waits = [at_s - sent_s[number] for number, each in heard.at_s.items() for at_s in each]
    assert len(waits) == count * RELAYS
    report = spread(waits)
    if traffic:
        report["bytes_per_update"] = (traffic() - before) / count
    return report


async def flat_out(relays: list[Backplane], heard: Heard, batch: int) -> dict[str, Any]:
    """Publish one batch after the other, and wait until all have the last."""
    number, update = 0, os.urandom(UPDATE_BYTES)
    began = time.perf_counter()
    while time.perf_counter() - began < FLAT_S:
        await relays[0].publish([Committed("u/reader/books", number + each, update) for each in range(batch)])
        number += batch
    published_s = time.perf_counter() - began
    heard.last = number
    await relays[0].publish([Committed("u/reader/books", number)])
    await heard.all_have_the_last.wait()
    took_s = time.perf_counter() - began
    return {"publishes_per_s": number / batch / published_s, "updates_per_s": number / took_s}


@contextmanager
def engines() -> Iterator[dict[str, tuple[Open, Callable[[], int] | None, Callable[[], str]]]]:
    """Give how to open the relays of each kind, what counts an engine's bytes, and what says its version."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis, postgres = stack.enter_context(RedisServer(folder)), stack.enter_context(PostgresServer())

        def in_memory() -> list[Backplane]:
            hub = MemoryHub(kept=2**20)
            return [MemoryBackplane(hub) for _ in range(RELAYS)]

        yield {
            "memory": (in_memory, None, lambda: "none"),
            "redis": (
                lambda: [RedisBackplane(redis.url) for _ in range(RELAYS)],
                redis.traffic,
                lambda: redis.version,
            ),
            "postgres": (
                lambda: [PostgresBackplane(postgres.url("postgres")) for _ in range(RELAYS)],
                None,
                lambda: str(postgres.run("SHOW server_version")[0][0]),
            ),
        }


async def measure(opened: Open, traffic: Callable[[], int] | None) -> dict[str, Any]:
    """Return the figures of one kind, flat."""
    found: dict[str, Any] = {}
    for name, work in {
        "steady": lambda relays, heard: steady(relays, heard, traffic, said=False),
        "said": lambda relays, heard: steady(relays, heard, None, said=True),
        "flat out by 1": lambda relays, heard: flat_out(relays, heard, 1),
        "flat out by 32": lambda relays, heard: flat_out(relays, heard, 32),
    }.items():
        found |= {f"{name}, {key}": value for key, value in (await with_relays(opened, work)).items()}
    return found


def main() -> None:
    raw: dict[str, list[dict[str, Any]]] = {}
    with engines() as kinds:
        for round_ in range(rounds(3)):
            for name, (opened, traffic, _) in kinds.items():
                report = uvloop.run(measure(opened, traffic))
                raw.setdefault(name, []).append(report)
                print(f"{round_ + 1} {name:10} {json.dumps(report)}", flush=True)
        servers = {name: version() for name, (_, _, version) in kinds.items()}
    medians = {
        name: {key: float(f"{median(report[key] for report in reports):.4g}") for key in reports[0]}
        for name, reports in raw.items()
    }
    save("backplane", {"servers": servers, "medians": medians, "rounds": raw})


if __name__ == "__main__":
    main()
