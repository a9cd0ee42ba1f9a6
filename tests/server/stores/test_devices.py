"""The devices that were seen, in memory and in SQLite, one contract; and what the file keeps none of."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest

from crdt_sync_server.conformance_devices import READER, ROOMS, DevicesContract
from crdt_sync_server.keepers import Devices
from crdt_sync_server.stores import sqlite_backup
from crdt_sync_server.stores.memory_devices import MemoryDevices
from crdt_sync_server.stores.sqlite import SqliteStore
from crdt_sync_server.stores.sqlite_file import MIGRATIONS

pytestmark = pytest.mark.anyio


async def opened_store(path: Path) -> SqliteStore:
    store = await SqliteStore.open(path, durability="normal")
    for room in ROOMS:
        if not await store.rooms(room):
            await store.append(room, b"\x00\x00")
    return store


class TestMemoryDevices(DevicesContract):
    keeps = False

    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[Devices]:
        yield MemoryDevices()


class TestSqliteDevices(DevicesContract):
    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[Devices]:
        store = await opened_store(folder / "relay.sqlite3")
        yield store.devices
        await store.close()


async def test_rooms_that_are_not_there_have_none_and_those_of_a_deleted_one_go_with_it(tmp_path: Path) -> None:
    """Neither can a name be made up that costs a row, nor does a late mark bring one back."""
    store = await opened_store(tmp_path / "relay.sqlite3")
    await store.devices.seen([READER, replace(READER, room="u/ada/made up")])
    assert list(await store.devices.listed()) == [READER]
    await store.delete("g/one")
    assert list(await store.devices.listed()) == []
    await store.devices.seen([READER])
    assert list(await store.devices.listed()) == []
    await store.close()


async def test_a_restored_backup_brings_back_no_device(tmp_path: Path) -> None:
    """Or one of a user who was deleted since would be there again."""
    path, backup = tmp_path / "relay.sqlite3", tmp_path / "backup"
    store = await opened_store(path)
    bens = replace(READER, subject="ben")
    await store.devices.seen([READER])
    sqlite_backup.back_up(path, backup)
    await store.devices.forget(subject="ada")
    await store.devices.seen([bens])
    await store.close()
    sqlite_backup.restore(backup, path)
    store = await SqliteStore.open(path)
    assert list(await store.devices.listed()) == [bens]
    await store.close()


async def test_a_file_of_version_6_gets_the_table_and_keeps_its_tokens(tmp_path: Path) -> None:
    path = tmp_path / "relay.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        for migration in MIGRATIONS[:6]:
            connection.executescript(migration)
        connection.execute("INSERT INTO tokens VALUES ('i', x'00', 'ada', 'e-reader', 10, NULL, NULL)")
        connection.execute("PRAGMA application_id = 0x63726474")
        connection.execute("PRAGMA user_version = 6")
        connection.commit()
    store = await opened_store(path)
    await store.devices.seen([READER])
    assert list(await store.devices.listed()) == [READER]
    (token,) = await store.tokens.listed("ada")
    assert (token.id, token.name, token.made_ms, token.made_with, token.used_ms) == ("i", "e-reader", 10, None, None)
    await store.close()
