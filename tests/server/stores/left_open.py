"""Stores that a failed test leaves open are closed: a pool's tasks would keep the end of its loop waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from crdt_sync_server.stores.postgres import PostgresStore

__all__ = ["left_open"]


@pytest.fixture(autouse=True)
async def left_open(anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Import it where stores are opened. To close one twice is no error."""
    opened: list[PostgresStore] = []
    plainly = PostgresStore.open

    async def noting(*arguments: Any, **named: Any) -> PostgresStore:
        opened.append(await plainly(*arguments, **named))
        return opened[-1]

    monkeypatch.setattr(PostgresStore, "open", noting)
    yield
    for store in opened:
        await store.close()
