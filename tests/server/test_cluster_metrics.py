"""What a relay among several counts of its store and its backplane."""

from __future__ import annotations

import pytest

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import Barrier, SyncUpdate
from crdt_sync_server.backplanes.memory import MemoryHub
from crdt_sync_server.errors import StoreError
from crdt_sync_server.ports import Heads
from crdt_sync_server.stores.memory import MemoryStore
from tests.server.test_cluster import Relay, relays, until, update

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def served(relay: Relay) -> set[str]:
    return {family.name for family in relay.host.metrics.collect()}


async def test_what_is_heard_is_counted_only_where_there_is_a_backplane() -> None:
    of_a_backplane = {"crdt_sync_cluster_hears", "crdt_sync_cluster_relays"}
    async with relays(1) as (alone,):
        await until(lambda: alone.host.metrics.cluster.asked > 2)
        assert not served(alone) & of_a_backplane
    async with relays(1, hub=MemoryHub()) as (one,):
        assert served(one) >= of_a_backplane


async def test_each_time_that_the_store_fails_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    async with relays(1) as (one,):
        a = await one.enter()
        await a.say(SyncUpdate(update("kept")), Barrier(1))
        await a.hear(Barrier)
        metrics = one.host.metrics
        assert metrics.store_failures == 0

        async def fail(*arguments: object) -> Heads:
            raise StoreError("gone")

        monkeypatch.setattr(MemoryStore, "heads", fail)
        await until(lambda: metrics.store_failures >= 2)
        monkeypatch.undo()
        await until(lambda: one.host.metrics.cluster.asked > 0)
        before = metrics.store_failures
        monkeypatch.setattr(MemoryStore, "append", fail)
        await a.say(SyncUpdate(update("refused")), Barrier(2))
        assert await a.closed() is CloseCode.INTERNAL_ERROR
        assert metrics.store_failures == before + 1
