"""Webhooks in memory and in SQLite, one contract; and what happens to them in the file."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from crdt_sync_server.conformance_webhooks import WebhooksContract
from crdt_sync_server.keepers import Webhooks
from crdt_sync_server.stores import sqlite_backup
from crdt_sync_server.stores.memory_webhooks import MemoryWebhooks
from crdt_sync_server.stores.sqlite import SqliteStore
from crdt_sync_server.stores.sqlite_file import MIGRATIONS
from crdt_sync_server.webhooks import new_webhook

pytestmark = pytest.mark.anyio


class TestMemoryWebhooks(WebhooksContract):
    keeps = False

    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[Webhooks]:
        yield MemoryWebhooks()


class TestSqliteWebhooks(WebhooksContract):
    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[Webhooks]:
        store = await SqliteStore.open(folder / "relay.sqlite3", durability="normal")
        yield store.webhooks
        await store.close()


async def test_a_restored_backup_calls_nobody_back(tmp_path: Path) -> None:
    """The webhooks stay as they are now; where there is no store yet, they are those of the backup."""
    path, backup = tmp_path / "relay.sqlite3", tmp_path / "backup"
    removed, kept, new = (
        new_webhook(f"https://{name}.example", room=None, under=None, made_ms=at_ms)
        for at_ms, name in enumerate(("removed", "kept", "new"))
    )
    store = await SqliteStore.open(path)
    await store.webhooks.add(removed)
    await store.webhooks.add(kept)
    sqlite_backup.back_up(path, backup)
    await store.webhooks.remove(removed.id)
    await store.webhooks.add(new)
    await store.close()
    found = {}
    for database in (path, tmp_path / "elsewhere" / "relay.sqlite3"):
        sqlite_backup.restore(backup, database)
        store = await SqliteStore.open(database)
        found[database] = list(await store.webhooks.listed())
        await store.close()
    assert list(found.values()) == [[kept, new], [removed, kept]]


async def test_a_file_of_version_5_gets_the_table(tmp_path: Path) -> None:
    path = tmp_path / "relay.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        for migration in MIGRATIONS[:5]:
            connection.executescript(migration)
        connection.execute("PRAGMA application_id = 0x63726474")
        connection.execute("PRAGMA user_version = 5")
        connection.commit()
    store = await SqliteStore.open(path)
    hook = new_webhook("https://a.example", room=None, under=None, made_ms=10)
    await store.webhooks.add(hook)
    assert list(await store.webhooks.listed()) == [hook]
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
