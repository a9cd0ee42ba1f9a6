"""A database that has taken in a file holds the same: any file, and a large one in little memory."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from crdt_sync_server.errors import RoomDeleted
from crdt_sync_server.stores import sqlite_rows as rows
from crdt_sync_server.stores.postgres import PostgresStore
from crdt_sync_server.stores.postgres_arriving import PORTION_ROWS, take_in
from crdt_sync_server.stores.sqlite import SqliteStore
from crdt_sync_server.stores.sqlite_file import open_file, transaction
from crdt_sync_server.stores.sqlite_leaving import leaving

MIB = 1024 * 1024
ROOMS = ("a", "a/b", "Z", "é", "\N{GRINNING FACE}")
"""In the order of their bytes, which is no language's."""
SIZES = st.sampled_from((0, 4, 100, 2 * MIB, 5 * MIB))
WHICH = st.sampled_from(ROOMS)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), WHICH, st.lists(SIZES, min_size=1, max_size=4)),
        st.tuples(st.sampled_from(("stage", "compact")), WHICH, st.lists(SIZES, max_size=3)),
        st.tuples(st.sampled_from(("delete", "sweep")), WHICH, st.just([])),
    ),
    max_size=12,
)


def filled(path: Path, operations: list[tuple[str, str, list[int]]]) -> None:
    """Do `operations` on a new store, on its rows: a relay that is killed leaves waste as they do."""
    connection, lock = open_file(path, "normal")
    positions: dict[str, int] = {}
    number = 0
    with closing(lock), closing(connection):
        for do, room, sizes in operations:
            datas = [number.to_bytes(4, "big") * (size // 4) for number, size in enumerate(sizes, number)]
            number += len(datas)
            with suppress(RoomDeleted), transaction(connection):
                if do == "append":
                    for data in datas:
                        positions[room] = rows.append(connection, room, data, f"owner of {room}")
                elif do == "delete":
                    rows.bury(connection, room)
                elif do == "sweep":
                    rows.sweep(connection)
                else:
                    staged = rows.stage(connection, room, None, datas, len(datas))
                    if do == "compact":
                        through = positions.get(room, 0)
                        rows.put_in_place(connection, room, staged, through, sum(map(len, datas)))


async def loaded(store: SqliteStore | PostgresStore) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for room in ROOMS:
        try:
            stored = await store.load(room)
            found[room] = (list(stored.updates), stored.position, stored.log_length, stored.owner)
        except RoomDeleted:
            found[room] = "deleted"
    return {**found, "records": list(await store.rooms())}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([("append", "a", [4] * (2 * PORTION_ROWS + 1))])
@example([("append", "a", [4, 100]), ("compact", "a", [2 * MIB, 2 * MIB, 100]), ("append", "a", [5 * MIB, 4])])
@example([("append", "a", [4]), ("append", "Z", [4]), ("append", "a", [4]), ("delete", "Z", [])])
@example([("append", "a", [4]), *[("compact", "a", [4]), ("append", "a", [4])] * 2, ("stage", "a", [4])])
@given(OPERATIONS)
def test_any_store_is_loaded_as_it_was(postgres_url: str, operations: list[tuple[str, str, list[int]]]) -> None:
    async def check(path: Path) -> None:
        filled(path, operations)
        with leaving(path) as holdings:
            moved = await take_in(postgres_url, holdings, lambda sent, of: None)
        before, after = await SqliteStore.open(path), await PostgresStore.open(postgres_url)
        expected, found = await loaded(before), await loaded(after)
        assert found == expected
        assert await after.damage() == []
        assert moved.rooms == sum(each.deleted_ms is None for each in expected["records"])
        assert moved.size_bytes == sum(each.size_bytes for each in expected["records"])
        for room in ROOMS:
            if expected[room] != "deleted":
                position = (await after.load(room)).position
                assert await after.append(room, b"next") == position + 1
                assert list((await after.since(room, position)).updates) == [b"next"]
                await after.compact(room, [b"all"], position + 1)
        assert await after.damage() == []
        await before.close()
        await after.close()

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS crdt_sync CASCADE")
    with TemporaryDirectory() as folder:
        asyncio.run(check(Path(folder) / "relay.sqlite3"))


def test_a_large_room_takes_little_memory(tmp_path: Path, postgres_url: str) -> None:
    """One of 128 MiB, half of them in segments, takes hardly more than an empty store does."""

    def peak_kib(folder: Path) -> int:
        program = (
            "from pathlib import Path; import re, sys; from crdt_sync_server.cli.app import app\n"
            "try: app()\n"
            "finally: print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1], file=sys.stderr)"
        )
        command = [sys.executable, "-c", program, "move-to-postgres", "--json", "--data", str(folder)]
        environment = {**os.environ, "CRDT_SYNC_SERVER_DATABASE_URL": postgres_url}
        done = subprocess.run(command, capture_output=True, check=True, timeout=120, env=environment)
        assert json.loads(done.stdout)["rooms"] == (folder == tmp_path / "large")
        return int(done.stderr)

    async def fill(path: Path) -> None:
        store = await SqliteStore.open(path, durability="normal")
        if path.parent.name == "large":
            position = await store.append("room", b"x")
            await store.compact("room", [os.urandom(MIB)] * 64, position)
            for _ in range(64):
                await store.append("room", os.urandom(MIB))
        await store.close()

    for name in ("empty", "large"):
        asyncio.run(fill(tmp_path / name / "relay.sqlite3"))
    at_rest_kib = peak_kib(tmp_path / "empty")
    large_kib = peak_kib(tmp_path / "large")
    assert large_kib < at_rest_kib + 24 * 1024
