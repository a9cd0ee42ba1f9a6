"""The relay's own tokens in memory and in SQLite, one contract; and what the file holds of them."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from crdt_sync_server.conformance_tokens import TokensContract
from crdt_sync_server.keepers import Tokens
from crdt_sync_server.stores import sqlite_backup
from crdt_sync_server.stores.memory_tokens import MemoryTokens
from crdt_sync_server.stores.sqlite import SqliteStore
from crdt_sync_server.stores.sqlite_file import MIGRATIONS
from crdt_sync_server.tokens import digest_of, new_token

pytestmark = pytest.mark.anyio


class TestMemoryTokens(TokensContract):
    keeps = False

    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[Tokens]:
        yield MemoryTokens()


class TestSqliteTokens(TokensContract):
    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[Tokens]:
        store = await SqliteStore.open(folder / "relay.sqlite3", durability="normal")
        yield store.tokens
        await store.close()


async def test_no_byte_of_a_token_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "relay.sqlite3"
    token, made = new_token("ada", name="e-reader", made_ms=10, expires_ms=None)
    store = await SqliteStore.open(path)
    await store.tokens.add(made)
    await store.close()
    data = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert b"e-reader" in data
    assert token.encode() not in data
    assert token.removeprefix("crdt_").encode()[:12] not in data


async def test_a_restored_backup_brings_no_revoked_token_back(tmp_path: Path) -> None:
    """Neither one that the backup has as good, nor one that was made and revoked since."""
    path, backup = tmp_path / "relay.sqlite3", tmp_path / "backup"
    made = {each: new_token(each, name=None, made_ms=10, expires_ms=None) for each in ("old", "kept", "new")}
    store = await SqliteStore.open(path)
    await store.tokens.add(made["old"][1])
    await store.tokens.add(made["kept"][1])
    sqlite_backup.back_up(path, backup)
    await store.tokens.add(made["new"][1])
    for each in ("old", "new"):
        await store.tokens.revoke(made[each][1].id, 20)
    await store.close()
    sqlite_backup.restore(backup, path)
    store = await SqliteStore.open(path)
    found = {name: await store.tokens.find(digest_of(token)) for name, (token, _) in made.items()}
    await store.close()
    assert {name: each and each.revoked_ms for name, each in found.items()} == {"old": 20, "kept": None, "new": 20}


async def test_a_file_of_version_4_gets_the_table(tmp_path: Path) -> None:
    path = tmp_path / "relay.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        for migration in MIGRATIONS[:4]:
            connection.executescript(migration)
        connection.execute("PRAGMA application_id = 0x63726474")
        connection.execute("PRAGMA user_version = 4")
        connection.commit()
    store = await SqliteStore.open(path)
    token, made = new_token("ada", name=None, made_ms=10, expires_ms=None)
    await store.tokens.add(made)
    assert await store.tokens.find(digest_of(token)) == made
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
