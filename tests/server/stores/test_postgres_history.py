"""A database that is put back to an earlier moment, or fails over to a standby that lacks something, is noticed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from urllib.parse import quote

import anyio
import pytest
from pycrdt import Map

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import Barrier, SyncStep1, SyncStep2, SyncUpdate
from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync_server.backplane import Committed
from crdt_sync_server.backplanes.memory import MemoryBackplane, MemoryHub
from crdt_sync_server.cluster import Cluster
from crdt_sync_server.errors import StoreError, StorePutBack
from crdt_sync_server.host import Host
from crdt_sync_server.stores.postgres import PostgresStore
from tests.postgres_recovery import Standby
from tests.postgres_server import PASSWORD, PostgresServer
from tests.server.room_peer import Peer
from tests.server.test_cluster import Reader, until, update

pytestmark = pytest.mark.anyio


class Restorable:
    """A database that can be put back to the moment at which it was saved."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.name = server.create()
        self.url = server.url(self.name)

    def save(self) -> None:
        self.server.run(f"{CUT_OFF}'{self.name}'", f"CREATE DATABASE {self.name}_saved TEMPLATE {self.name}")

    def put_back(self) -> None:
        self.server.run(
            f"DROP DATABASE {self.name} WITH (FORCE)", f"ALTER DATABASE {self.name}_saved RENAME TO {self.name}"
        )


CUT_OFF = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "


@pytest.fixture
def database(postgres: PostgresServer) -> Restorable:
    return Restorable(postgres)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.open(url)
    try:
        yield store
    finally:
        await store.close()


async def test_nothing_is_read_or_written_in_another_history_until_one_says_so(database: Restorable) -> None:
    async with opened(database.url) as store:
        kept = update("kept")
        assert await store.append("room", kept) == 1
        database.save()
        assert await store.append("room", update("lost")) == 2, "that it was cut off is no reason"
        database.put_back()
        for attempt in (
            lambda: store.append("room", update("late")),
            lambda: store.load("room"),
            lambda: store.compact("room", [update("all")], 2),
            lambda: store.delete("room"),
            lambda: store.heads(["room"]),
            lambda: store.members.roster("room"),
            store.check,
        ):
            with pytest.raises(StorePutBack):
                await attempt()
        store.renew()
        assert (await store.load("room")).updates == [kept]
        assert await store.append("room", update("new")) == 2
        await store.check()


async def test_a_server_that_was_restarted_has_the_history_that_it_had() -> None:
    with PostgresServer() as server:
        async with opened(server.url(server.create())) as store:
            await store.append("room", update("one"))
            server.kill()
            server.start()
            assert await store.append("room", update("two")) == 2
            assert len((await store.load("room")).updates) == 2


class Relay:
    """One of several relays of this process."""

    def __init__(self, store: PostgresStore, hub: MemoryHub) -> None:
        self.store = store
        self.host = Host(store, now=anyio.current_time)
        self.backplane = MemoryBackplane(hub)
        self.host.cluster = Cluster(self.host, store, store.members, self.backplane, random=Random(store.node))

    async def enter(self) -> Peer:
        """Join and complete the sync of a peer that has nothing; while the room cannot be loaded, again."""
        with anyio.fail_after(10):
            while True:
                room = self.host.room("room")
                peer = Peer(room)
                try:
                    await room.enter(peer)
                except StoreError:  # it notices, or the room has failed with what noticed
                    await anyio.sleep(0.01)
                    continue
                await peer.say(SyncStep1(b"\x00"), SyncStep2(EMPTY_UPDATE))
                await peer.hear(SyncStep2)
                return peer


@asynccontextmanager
async def relays(url: str, hub: MemoryHub) -> AsyncIterator[list[Relay]]:
    async with AsyncExitStack() as stack:
        started = []
        for _ in range(2):
            relay = Relay(await stack.enter_async_context(opened(url)), hub)
            await stack.enter_async_context(relay.host.running())
            await until(lambda relay=relay: bool(relay.host.metrics.cluster.hears))  # type: ignore[misc]
            started.append(relay)
        yield started


async def write(peer: Peer, *keys: str) -> None:
    for key in keys:
        await peer.say(SyncUpdate(update(key)), Barrier(1))
        await peer.hear(Barrier)


async def test_relays_whose_positions_are_reached_again_do_not_take_one_history_for_the_other(
    database: Restorable,
) -> None:
    """One edit is lost and another relay stores another one under its number: positions alone look as before."""
    hub = MemoryHub()
    async with relays(database.url, hub) as (one, two):
        a, b = await one.enter(), await two.enter()
        await write(a, "k0", "k1", "k2")
        database.save()
        await write(a, "lost")
        await Reader(b).has("k0", "k1", "k2", "lost")
        database.put_back()
        async with opened(database.url) as third:  # a relay that starts now
            assert await third.append("room", update("new")) == 4
        assert await a.closed() is await b.closed() is CloseCode.INTERNAL_ERROR
        a_again, b_again = await one.enter(), await two.enter()
        await (reader := Reader(b_again)).has("k0", "k1", "k2", "new")
        assert set(reader.doc.get("m", type=Map).to_py()) == {"k0", "k1", "k2", "new"}
        await write(b_again, "lost")  # as a device does that has it
        await Reader(a_again).has("k0", "k1", "k2", "new", "lost")
        assert (await one.store.load("room")).position == 5


async def test_what_the_backplane_still_carries_of_before_is_not_taken_for_what_is_stored_now(
    database: Restorable,
) -> None:
    hub = MemoryHub()
    async with relays(database.url, hub) as (one, two):
        a = await one.enter()
        await write(a, "kept")
        database.save()
        await write(a, "lost")
        database.put_back()
        assert await a.closed() is CloseCode.INTERNAL_ERROR
        await one.enter()
        b = await two.enter()
        await MemoryBackplane(hub).publish([Committed("room", 2, update("lost"))])  # by a relay that was slow
        async with opened(database.url) as third:
            assert await third.append("room", update("new")) == 2
        await Reader(b).has("kept", "new")


async def test_a_failover_is_noticed_and_what_leads_to_the_old_server_is_not_used() -> None:
    """The old one lives on, as one that was cut off from the others does, and connections to it are still open."""
    with PostgresServer() as primary, Standby(primary) as standby:
        database = primary.create()
        user, password = "postgres", quote(PASSWORD, safe="")
        hosts = f"127.0.0.1:{standby.port},127.0.0.1:{primary.port}"
        async with opened(f"postgresql://{user}:{password}@{hosts}/{database}") as store:
            await store.append("room", update("kept"))
            standby.catch_up()
            standby.stop_following()
            await store.append("room", update("lost"))
            standby.promote()
            await store.damage()  # on a connection of its own, a new one
            with pytest.raises(StorePutBack):
                await store.check()
            with pytest.raises(StorePutBack):
                await store.append("room", update("late"))
            store.renew()
            assert await store.append("room", update("new")) == 2
            assert (await store.heads(["room"])).rooms == {"room": 2}
            assert len(primary.run("SELECT 1 FROM crdt_sync.updates", database=database)) == 2
            assert len(standby.run("SELECT 1 FROM crdt_sync.updates", database=database)) == 2
