"""The relay's store on a real PostgreSQL server: the contracts, and what its driver and server do to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from crdt_sync.testing.contracts import RoomStoreContract
from crdt_sync_server.conformance_devices import ROOMS, DevicesContract
from crdt_sync_server.conformance_members import MembersContract
from crdt_sync_server.conformance_shared_keepers import Opened, SharedKeepersContract
from crdt_sync_server.conformance_shared_store import SharedStoreContract
from crdt_sync_server.conformance_tokens import TokensContract
from crdt_sync_server.conformance_webhooks import WebhooksContract
from crdt_sync_server.keepers import Devices, Members, Tokens, Webhooks
from crdt_sync_server.ports import RoomStore, SharedStore
from crdt_sync_server.stores.postgres import PostgresStore

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def opened_store(url: str, node: str | None = None) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.open(url, node=node)
    try:
        yield store
    finally:
        await store.close()


class OnPostgres:
    @pytest.fixture(autouse=True)
    def database(self, postgres_url: str) -> None:
        self.url = postgres_url


class TestPostgresStore(OnPostgres, RoomStoreContract):
    erases = False

    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[RoomStore]:
        async with opened_store(self.url) as store:
            yield store


class TestSharedPostgresStore(OnPostgres, SharedStoreContract):
    @asynccontextmanager
    async def both(self, folder: Path) -> AsyncIterator[tuple[SharedStore, SharedStore]]:
        async with opened_store(self.url, "one") as one, opened_store(self.url, "two") as two:
            yield one, two


class TestPostgresMembers(OnPostgres, MembersContract):
    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[Members]:
        async with opened_store(self.url) as store:
            yield store.members


class TestPostgresTokens(OnPostgres, TokensContract):
    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[Tokens]:
        async with opened_store(self.url) as store:
            yield store.tokens


class TestPostgresDevices(OnPostgres, DevicesContract):
    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[Devices]:
        async with opened_store(self.url) as store:
            for room in ROOMS:
                if not await store.rooms(room):
                    await store.append(room, b"\x00\x00")
            yield store.devices


class TestPostgresWebhooks(OnPostgres, WebhooksContract):
    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[Webhooks]:
        async with opened_store(self.url) as store:
            yield store.webhooks


class TestSharedPostgresKeepers(OnPostgres, SharedKeepersContract):
    @asynccontextmanager
    async def both(self, folder: Path) -> AsyncIterator[tuple[Opened, Opened]]:
        async with opened_store(self.url, "one") as one, opened_store(self.url, "two") as two:
            yield (
                Opened(one, one.members, one.tokens, one.webhooks),
                Opened(two, two.members, two.tokens, two.webhooks),
            )
