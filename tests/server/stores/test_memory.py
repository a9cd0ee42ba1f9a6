from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from crdt_sync.testing.contracts import StoreContract
from crdt_sync_server.ports import Store
from crdt_sync_server.stores.memory import MemoryStore


@pytest.mark.anyio
class TestMemoryStore(StoreContract):
    keeps = False

    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[Store]:
        yield MemoryStore()
