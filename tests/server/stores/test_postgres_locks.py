"""Who waits for whom on a real PostgreSQL server: never in a circle, never for long, and never for the dead."""

from __future__ import annotations

import subprocess
import sys
import time

import anyio
import psycopg
import pytest

from crdt_sync_server.errors import StoreError
from crdt_sync_server.stores.postgres import PostgresStore
from tests.postgres_server import PostgresServer
from tests.server.stores.left_open import left_open

__all__ = ["left_open"]

pytestmark = pytest.mark.anyio

TOLD_WITHIN_S = 8.0
"""A bound of 5 s for an answer, and what a machine under load adds."""


async def _names(store: PostgresStore, room: str) -> list[str]:
    return [update.decode() for update in (await store.load(room)).updates]


async def test_a_snapshot_whose_process_is_killed_leaves_nothing(postgres: PostgresServer, postgres_url: str) -> None:
    """Neither rows nor locks: the room can be compacted and deleted at once."""
    script = """
import asyncio, sys
from crdt_sync_server.stores.postgres import PostgresStore
async def main():
    store = await PostgresStore.open(sys.argv[1])
    await store.append("room", b"1")
    class Told(list):
        def __iter__(self):
            for each in super().__iter__():
                print("part", flush=True)
                yield each
    from crdt_sync_server.stores import postgres_rows
    pieces = postgres_rows.pieces
    postgres_rows.pieces = lambda segments: Told(pieces(segments))
    await store.compact("room", [b"x" * 1_000_000] * 200, 1)
asyncio.run(main())
"""
    process = subprocess.Popen([sys.executable, "-c", script, postgres_url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline() == "part\n"
    process.kill()
    process.communicate()
    store = await PostgresStore.open(postgres_url)
    assert await _names(store, "room") == ["1"]
    await store.compact("room", [b"one"], 1)
    assert await _names(store, "room") == ["one"]
    assert list(await store.damage()) == []
    await store.delete("room")
    await store.close()


async def test_a_room_that_another_holds_is_told_and_holds_up_no_one_for_long(
    postgres: PostgresServer, postgres_url: str
) -> None:
    """A transaction that is left open on a row is given up within seconds, and rolled back."""
    store = await PostgresStore.open(postgres_url)
    await store.append("held", b"1")
    other = await PostgresStore.open(postgres_url)
    async with other._link.transaction() as session:
        await session.execute("SELECT FROM rooms WHERE room = 'held' FOR UPDATE")
        began = time.monotonic()
        with pytest.raises(StoreError, match="took too long"):
            await store.append("held", b"2")
        assert time.monotonic() - began < TOLD_WITHIN_S
        assert await store.append("free", b"1") == 1
    assert await store.append("held", b"2") == 2
    await other.close()
    await store.close()


async def test_a_caller_that_gives_up_leaves_the_store_whole(postgres_url: str) -> None:
    """Cancelled at whatever moment of a snapshot, a load or an append: no lock, no connection and no row is left."""
    store = await PostgresStore.open(postgres_url)
    for number in range(20):
        await store.append("room", b"%d" % number)
    large = [b"x" * 500_000] * 20
    for hundredths in range(12):
        with anyio.move_on_after(hundredths / 100):
            await store.compact("room", large, 20)
        with anyio.move_on_after(hundredths / 1000):
            await store.load("room")
        with anyio.move_on_after(hundredths / 1000):
            await store.append("other", b"x")
    await store.compact("room", [b"all"], 20)
    assert await _names(store, "room") == ["all"]
    assert list(await store.damage()) == []
    async with anyio.create_task_group() as tasks:
        for _ in range(16):
            tasks.start_soon(store.load, "room")
    await store.close()


async def test_batches_of_two_relays_over_the_same_rooms_never_deadlock(
    postgres: PostgresServer, postgres_url: str
) -> None:
    """Each sends the rooms in an order of its own, many at once."""
    one, two = await PostgresStore.open(postgres_url), await PostgresStore.open(postgres_url)
    rooms = [f"room {number}" for number in range(60)]

    async def burst(store: PostgresStore, names: list[str]) -> None:
        for _ in range(15):
            async with anyio.create_task_group() as tasks:
                for name in names:
                    tasks.start_soon(store.append, name, b"x")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(burst, one, rooms)
        tasks.start_soon(burst, two, rooms[::-1])
    assert set((await one.heads(rooms)).rooms.values()) == {30}
    await one.close()
    await two.close()
    name = psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"]
    ((deadlocks,),) = postgres.run(f"SELECT deadlocks FROM pg_stat_database WHERE datname = '{name}'")
    assert deadlocks == 0
