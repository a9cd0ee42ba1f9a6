"""What happens to a real PostgreSQL server, its network and its clients; and what is never lost by it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from crdt_sync_server.errors import StoreError
from crdt_sync_server.stores.postgres import PostgresStore
from crdt_sync_server.stores.postgres_link import CONNECTIONS
from tests.postgres_server import PASSWORD, PostgresServer
from tests.server.stores.left_open import left_open
from tests.tcp_proxy import tcp_proxy

__all__ = ["left_open"]

pytestmark = pytest.mark.anyio

TOLD_WITHIN_S = 8.0
"""A bound of 5 s for an answer, and what a machine under load adds."""
BACK_WITHIN_S = 10.0


@pytest.fixture(scope="module")
def own() -> Iterator[PostgresServer]:
    """A server that tests may stop and kill; it runs again after each."""
    with PostgresServer() as server:
        yield server


async def _names(store: PostgresStore, room: str) -> list[str]:
    return [update.decode() for update in (await store.load(room)).updates]


async def _back(store: PostgresStore) -> None:
    """Return once the store works again, by itself, within a bounded time."""
    with anyio.fail_after(BACK_WITHIN_S):
        while True:
            try:
                await store.check()
                await store.append("back", b"x")
                return
            except StoreError:
                await asyncio.sleep(0.05)


async def test_kill_9_of_the_server_in_a_burst_loses_nothing_that_was_acknowledged(own: PostgresServer) -> None:
    """Every process of it, at once, four times; the same store goes on when the server is back."""
    store = await PostgresStore.open(own.url(own.create()))
    durable: dict[str, dict[int, str]] = {f"room {lane}": {} for lane in range(4)}

    async def write(round_: int, lane: int, enough: int, is_enough: asyncio.Event) -> None:
        room = f"room {lane}"
        for number in range(100_000):
            name = f"{round_}-{lane}-{number}"
            position = await store.append(room, name.encode())
            durable[room][position] = name
            if number == enough:
                is_enough.set()

    for round_ in range(4):
        is_enough = asyncio.Event()
        writers = [asyncio.create_task(write(round_, lane, 12 + 9 * round_, is_enough)) for lane in range(4)]
        await is_enough.wait()
        own.kill()
        outcomes = await asyncio.gather(*writers, return_exceptions=True)
        assert all(isinstance(each, StoreError) for each in outcomes), outcomes
        own.start()
        await _back(store)
        for room, acknowledged in durable.items():
            there = await _names(store, room)
            assert {position: there[position - 1] for position in acknowledged} == acknowledged
    assert list(await store.damage()) == []
    await store.close()


async def test_reads_and_appends_that_find_their_connections_dead_take_new_ones(own: PostgresServer) -> None:
    """After a restart in a quiet moment nothing fails at all."""
    store = await PostgresStore.open(own.url(own.create()))
    await store.append("room", b"1")
    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(store.load, "room")  # fills the pool
    own.stop()
    with pytest.raises(StoreError):
        await store.append("room", b"lost")
    with pytest.raises(StoreError, match="no connection to PostgreSQL"):
        await store.load("room")
    own.start()
    await _back(store)
    own.stop()
    own.start()
    assert await store.append("room", b"2") == 2
    assert await _names(store, "room") == ["1", "2"]
    assert (await store.heads(["room"])).rooms == {"room": 2}
    await store.close()


async def test_two_processes_append_to_the_same_rooms(postgres_url: str) -> None:
    """No position twice and none left out, and what each was told is what is stored."""
    script = str(Path(__file__).with_name("append_postgres.py"))
    commands = [[sys.executable, script, postgres_url, name, "400"] for name in ("one", "two")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    told: dict[int, dict[int, str]] = {}
    for process in processes:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        for lane, position, name in map(str.split, output.splitlines()):
            assert told.setdefault(int(lane), {}).setdefault(int(position), name) == name
    store = await PostgresStore.open(postgres_url)
    for lane in range(4):
        assert [told[lane][position] for position in range(1, 201)] == await _names(store, f"room {lane}")
    await store.close()


async def test_kill_9_of_a_relay_in_a_burst_loses_nothing_that_it_has_acknowledged(postgres_url: str) -> None:
    """And the other relay, which appends to the same rooms, is not held up by what the dead one held."""
    script = str(Path(__file__).with_name("append_postgres.py"))
    store = await PostgresStore.open(postgres_url)
    for round_ in range(3):
        command = [sys.executable, script, postgres_url, f"dead{round_}", "100000"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(60 + 31 * round_)]
        process.kill()
        lines += process.stdout.readlines()
        process.communicate()
        began = time.monotonic()
        for lane in range(4):
            await store.append(f"room {lane}", b"alive")
        assert time.monotonic() - began < TOLD_WITHIN_S
        there = {room: await _names(store, room) for room in (f"room {lane}" for lane in range(4))}
        for line in lines:
            if line.endswith("\n"):
                lane, position, name = line.split()
                assert there[f"room {lane}"][int(position) - 1] == name
    assert list(await store.damage()) == []
    await store.close()


async def _warm(store: PostgresStore) -> None:
    """Let the pool make all its connections."""
    while store._link._pool.get_stats()["pool_size"] < CONNECTIONS:
        await asyncio.gather(*(store._link.read("SELECT pg_sleep(0.05)") for _ in range(2 * CONNECTIONS)))


async def _all_told(store: PostgresStore) -> None:
    """Everything that is asked ends with an error within seconds, on connections that are there."""
    calls = (
        store.append("room", b"x"), store.load("room"), store.heads(["room"]), store.check(),
        store.members.role("room", "ada"), store.compact("room", [b"y"], 1), store.notices(0), store.delete("other"),
    )  # fmt: skip
    began = time.monotonic()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(each, StoreError) for each in outcomes), outcomes
    assert not any(PASSWORD in str(each) for each in outcomes)
    assert time.monotonic() - began < TOLD_WITHIN_S


async def test_a_server_behind_a_partition_is_an_error_within_seconds(own: PostgresServer) -> None:
    """Connections that hang, and new ones that are not answered; when the network is back the store is too."""
    name = own.create()
    async with tcp_proxy(own.port) as proxy:
        store = await PostgresStore.open(own.url(name, port=proxy.port))
        await store.append("room", b"kept")
        await _warm(store)
        proxy.hang()
        await _all_told(store)
        await _all_told(store)
        proxy.flow()
        await _back(store)
        assert (await _names(store, "room"))[0] in ("kept", "y")
        proxy.cut()
        await _back(store)
        await store.close()


async def test_a_server_that_stands_still_is_an_error_within_seconds(own: PostgresServer) -> None:
    store = await PostgresStore.open(own.url(own.create()))
    await store.append("room", b"kept")
    await _warm(store)
    own.pause()
    try:
        await _all_told(store)
    finally:
        own.resume()
    await _back(store)
    await store.close()


async def test_an_answer_that_is_lost_leaves_the_outcome_open(own: PostgresServer) -> None:
    """The append is an error, and it is stored: who asked must load again, as the port says."""
    name = own.create()
    async with tcp_proxy(own.port) as proxy:
        store = await PostgresStore.open(own.url(name, port=proxy.port))
        assert await store.append("room", b"1") == 1
        proxy.loses_answers = True
        with pytest.raises(StoreError, match="did not answer within 5 s"):
            await store.append("room", b"2")
        proxy.flow()
        assert await _names(store, "room") == ["1", "2"]
        assert await store.append("room", b"3") == 3
        await store.close()


async def test_a_slow_network_delays_and_breaks_nothing(own: PostgresServer) -> None:
    """What waits meanwhile goes together: 200 appends of 20 rooms take a few round trips."""
    name = own.create()
    async with tcp_proxy(own.port) as proxy:
        store = await PostgresStore.open(own.url(name, port=proxy.port))
        proxy.delay_s = 0.1
        began = time.monotonic()
        async with anyio.create_task_group() as tasks:
            for number in range(200):
                tasks.start_soon(store.append, f"room {number % 20}", b"%d" % number)
        assert time.monotonic() - began < 2.0
        await store.close()
