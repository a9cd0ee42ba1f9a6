"""The relay's store on PostgreSQL beside that on SQLite (`full`): latency of an append, appends and commits a second.

`one`: one room, the next append when the last is durable. `300/s`: as a relay with a room or two. `64 rooms`: each its
own writer, the next append when the last is durable. `burst`: 10,000 appends of 1,000 rooms at once. `loads`: 5,000
rooms that are not there and 5,000 small ones, all asked for at once. `100 MB`: appends, 300 a second, while a snapshot
of 100 MB is stored for another room. `two relays`: two stores of one database, 32 writers each, over the same 64 rooms.

The server is on this machine, over TCP, with its defaults for durability, and with 256 MB of shared buffers.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from benchmarks.common import rounds, save
from benchmarks.figures import spread
from benchmarks.relay_store import beside
from crdt_sync_server.ports import RoomStore
from crdt_sync_server.stores.postgres import PostgresStore
from crdt_sync_server.stores.sqlite import SqliteStore
from tests.postgres_server import PostgresServer

UPDATE_BYTES = 100
FOR_S = 5.0
WRITERS = 64
BURST_ROOMS, BURST_EACH = 1_000, 10
LOADS, UPDATES_EACH = 5_000, 20
SEGMENTS, SEGMENT_BYTES = 100, 1_000_000


async def closed_loop(stores: list[RoomStore], writers: int) -> dict[str, float]:
    """Return how many appends come through when each writer waits for its last; writers are dealt to the stores."""
    took_s: list[float] = []
    began = time.perf_counter()

    async def write(number: int) -> None:
        store, room = stores[number % len(stores)], f"room {number // len(stores)}"
        while time.perf_counter() - began < FOR_S:
            asked = time.perf_counter()
            await store.append(room, os.urandom(UPDATE_BYTES))
            took_s.append(time.perf_counter() - asked)

    async with asyncio.TaskGroup() as group:
        for number in range(writers):
            group.create_task(write(number))
    return {"appends_per_s": len(took_s) / (time.perf_counter() - began), **spread(took_s)}


async def burst(store: RoomStore) -> dict[str, float]:
    """Append to many rooms at once."""
    began = time.perf_counter()
    await asyncio.gather(
        *(
            store.append(f"burst {number % BURST_ROOMS}", os.urandom(UPDATE_BYTES))
            for number in range(BURST_ROOMS * BURST_EACH)
        )
    )
    took_s = time.perf_counter() - began
    return {"took_s": took_s, "appends_per_s": BURST_ROOMS * BURST_EACH / took_s}


async def loads(store: RoomStore) -> dict[str, float]:
    """Load rooms that are not there, and rooms that are."""
    for _ in range(UPDATES_EACH):
        await asyncio.gather(*(store.append(f"small {number}", os.urandom(UPDATE_BYTES)) for number in range(LOADS)))
    found = {}
    for name in ("absent", "small"):
        began = time.perf_counter()
        await asyncio.gather(*(store.load(f"{name} {number}") for number in range(LOADS)))
        found[f"{name}_s"] = time.perf_counter() - began
    return found


async def measured(name: str, store: RoomStore, commits: Callable[[], int] | None) -> dict[str, dict[str, float]]:
    """Return all figures of one store."""
    segments = [os.urandom(SEGMENT_BYTES) for _ in range(SEGMENTS)]
    works: dict[str, Callable[[], Awaitable[dict[str, float]]]] = {
        "one": lambda: closed_loop([store], 1),
        "300/s": lambda: beside(store, asyncio.sleep(FOR_S)),
        "64 rooms": lambda: closed_loop([store], WRITERS),
        "burst": lambda: burst(store),
        "loads": lambda: loads(store),
        "100 MB": lambda: beside(store, store.compact("large", segments, 0)),
        "100 MB again": lambda: beside(store, store.compact("large", segments, 0)),
    }
    found = {}
    for what, work in works.items():
        before, began = commits() if commits else 0, time.perf_counter()
        found[f"{name}, {what}"] = await work()
        if commits and what in ("one", "64 rooms"):
            found[f"{name}, {what}"]["commits_per_s"] = (commits() - before) / (time.perf_counter() - began)
    return found


async def on_postgres(server: PostgresServer) -> dict[str, dict[str, float]]:
    """Measure one relay, and two on one database."""
    database = server.create()
    query = f"SELECT pg_stat_get_db_xact_commit(oid) FROM pg_database WHERE datname = '{database}'"
    store = await PostgresStore.open(server.url(database))
    found = await measured("postgres", store, lambda: int(server.run(query)[0][0]))
    other = await PostgresStore.open(server.url(database))
    found["postgres, two relays"] = await closed_loop([store, other], WRITERS)
    await store.close()
    await other.close()
    return found


async def on_sqlite(folder: Path) -> dict[str, dict[str, float]]:
    """Measure the store of one relay, in a file."""
    store = await SqliteStore.open(folder / "relay.sqlite3", durability="full")
    found = await measured("sqlite", store, None)
    await store.close()
    return found


def main() -> None:
    raw: dict[str, list[dict[str, Any]]] = {}
    versions: dict[str, str] = {}
    for round_ in range(rounds() + 1):  # the first warms up
        with tempfile.TemporaryDirectory() as folder, PostgresServer(shared_buffers="256MB") as server:
            versions = {"postgresql": str(server.run("SHOW server_version")[0][0]), "psycopg": psycopg.__version__}
            reports = {**asyncio.run(on_sqlite(Path(folder))), **asyncio.run(on_postgres(server))}
        for name, report in reports.items():
            if round_:
                raw.setdefault(name, []).append(report)
            print(f"{round_} {name:24} {json.dumps(report)}", flush=True)
    medians = {
        name: {key: float(f"{median(report[key] for report in reports):.4g}") for key in reports[0]}
        for name, reports in raw.items()
    }
    save("postgres_store", {"server and driver": versions, "medians": medians, "rounds": raw})


if __name__ == "__main__":
    main()
