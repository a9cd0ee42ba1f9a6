"""The relay's file as it is opened: who may read it, and what is not played away."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from crdt_sync_server.errors import StoreError
from crdt_sync_server.stores.sqlite import SqliteStore

UPDATE = b"\x01\x01\x01\x00\x04\x01\x01m\x01x\x00"


@pytest.mark.anyio
@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
async def test_the_file_and_its_log_are_for_the_relay_alone(tmp_path: Path) -> None:
    path = tmp_path / "relay.sqlite3"
    store = await SqliteStore.open(path)
    await store.append("room", UPDATE)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in (path, path.with_name(f"{path.name}-wal"))}
    await store.close()
    assert set(modes.values()) == {0o600}, modes


@pytest.mark.anyio
@pytest.mark.parametrize("left", ["gone", "empty"])
async def test_a_log_without_its_file_is_left_alone(tmp_path: Path, left: str) -> None:
    """SQLite deletes it, and with it the last that was acknowledged."""
    path, moved = tmp_path / "relay.sqlite3", tmp_path / "moved.sqlite3"
    store = await SqliteStore.open(path)
    await store.append("room", UPDATE)
    wal = path.with_name(f"{path.name}-wal")
    shutil.copy(wal, tmp_path / "copy-wal")
    shutil.copy(path, moved)
    await store.close()
    shutil.copy(tmp_path / "copy-wal", wal)
    path.unlink()
    if left == "empty":
        path.touch()
    with pytest.raises(StoreError, match="write-ahead log"):
        await SqliteStore.open(path)
    assert wal.stat().st_size
    shutil.copy(moved, path)
    store = await SqliteStore.open(path)
    assert (await store.load("room")).updates == [UPDATE]
    await store.close()
