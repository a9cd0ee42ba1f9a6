from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from crdt_sync.testing.contracts import RoomStoreContract
from crdt_sync_server.conformance_shared_store import SharedStoreContract
from crdt_sync_server.ports import RoomStore, SharedStore
from crdt_sync_server.stores.memory import MemoryStore


@pytest.mark.anyio
class TestMemoryStore(RoomStoreContract):
    keeps = False

    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[RoomStore]:
        yield MemoryStore()


@pytest.mark.anyio
class TestSharedMemoryStore(SharedStoreContract):
    @asynccontextmanager
    async def both(self, folder: Path) -> AsyncIterator[tuple[SharedStore, SharedStore]]:
        one = MemoryStore("one")
        yield one, one.beside("two")
