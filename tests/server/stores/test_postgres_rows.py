"""What goes to the server together, and what is said of rows that are damaged, pruned or cannot be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import anyio
import psycopg
import pytest

from crdt_sync_server.errors import StoreError
from crdt_sync_server.ports import NoticeKind
from crdt_sync_server.stores.postgres import PostgresStore
from tests.postgres_server import PostgresServer
from tests.server.stores.left_open import left_open

__all__ = ["left_open"]

pytestmark = pytest.mark.anyio


def _name(url: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])


async def test_names_that_no_text_can_be_are_refused_alone(postgres_url: str) -> None:
    """What waits in the same batch is stored."""
    store = await PostgresStore.open(postgres_url)
    calls = [store.append(room, b"x") for room in ("a\0b", "half \ud800", "Räume/日本 🙂")]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(each, StoreError) for each in outcomes] == [True, True, False]
    assert (await store.load("half \ud800")).position == 0
    for call in (store.rooms("a\0b"), store.members.roster("half \ud800")):
        with pytest.raises(StoreError):
            await call
    assert [each.name for each in await store.rooms()] == ["Räume/日本 🙂"]
    await store.close()


async def test_what_waits_together_is_committed_together(postgres: PostgresServer, postgres_url: str) -> None:
    """500 appends that arrive while one commit runs need far fewer transactions than 500."""
    store = await PostgresStore.open(postgres_url)
    commits = 0
    append = store._appender._append

    async def counted(*arguments: object) -> object:
        nonlocal commits
        commits += 1
        return await append(*arguments)  # type: ignore[arg-type]

    store._appender._append = counted  # type: ignore[method-assign, assignment]
    positions = await asyncio.gather(*(store.append(f"room {number % 7}", b"x") for number in range(500)))
    assert commits <= 3
    assert sorted(positions) == sorted(count // 7 + 1 for count in range(500))
    await store.close()


async def test_loads_that_wait_together_are_read_together(postgres_url: str) -> None:
    """500 small rooms take a few statements, and a large one among them its own; each gets what is its own."""
    store = await PostgresStore.open(postgres_url)
    large = [bytes([number]) * 100_000 for number in range(4)]
    for update in large:
        await store.append("large", update)
    await asyncio.gather(*(store.append(f"room {number}", b"%d" % number) for number in range(500)))
    statements = 0
    read = store._link.read

    async def counted(*arguments: object, **named: object) -> object:
        nonlocal statements
        statements += 1
        return await read(*arguments, **named)  # type: ignore[arg-type]

    store._link.read = counted  # type: ignore[method-assign, assignment]
    names = [f"room {number}" for number in range(500)]
    names[250:250] = ["large", "absent", "large"]
    stored = await asyncio.gather(*(store.load(name) for name in names))
    found = dict(zip(names, (list(each.updates) for each in stored), strict=True))
    assert found == {"large": large, "absent": [], **{f"room {number}": [b"%d" % number] for number in range(500)}}
    assert statements <= 9
    with anyio.move_on_after(0):
        await store.load("large")
    assert [each.position for each in await asyncio.gather(store.since("large", 3), store.since("large", 4))] == [4, 4]
    await store.close()


async def test_damage_is_reported_in_words(postgres: PostgresServer, postgres_url: str) -> None:
    """Rows that are missing or too many, and records that do not fit; a snapshot that is not whole is never loaded."""
    name = _name(postgres_url)
    store = await PostgresStore.open(postgres_url)
    for room in ("gap", "head", "tail", "miscounted", "orphan", "parts", "sound"):
        for number in range(5):
            await store.append(room, b"%d" % number)
    await store.compact("parts", [b"one", b"two"], 3)
    await store.compact("sound", [b"one", b"two"], 3)
    await store.delete("sound")
    assert list(await store.damage()) == []
    postgres.run(
        "DELETE FROM crdt_sync.updates WHERE room = 'gap' AND position = 3",
        "DELETE FROM crdt_sync.updates WHERE room = 'head' AND position = 1",
        "DELETE FROM crdt_sync.updates WHERE room = 'tail' AND position = 5",
        "UPDATE crdt_sync.rooms SET bytes = bytes + 1 WHERE room = 'miscounted'",
        "DELETE FROM crdt_sync.rooms WHERE room = 'orphan'",
        "DELETE FROM crdt_sync.segments WHERE room = 'parts' AND part = 0",
        database=name,
    )
    found = await store.damage()
    assert [each.split("'")[1] for each in found] == ["gap", "head", "miscounted", "orphan", "parts", "tail"]
    with pytest.raises(StoreError, match="of the 2 segments of the snapshot of 'parts' 1 are there"):
        await store.load("parts")
    await store.close()


async def test_damage_of_pages_and_indexes_is_reported(tmp_path: Path) -> None:
    """A page that was overwritten while the server was down, and what `amcheck` finds where it is there."""
    with PostgresServer() as server:
        name = server.create()
        server.run("CREATE EXTENSION amcheck", database=name)
        store = await PostgresStore.open(server.url(name))
        for number in range(300):
            await store.append("room", b"%d" % number * 100)
        await store.append("sound", b"x")
        assert list(await store.damage()) == []
        ((table, index),) = server.run(
            "SELECT pg_relation_filepath('crdt_sync.updates'), pg_relation_filepath('crdt_sync.updates_pkey')",
            database=name,
        )
        server.stop()
        for path, page in ((table, 2), (index, 1)):
            with (server.data / path).open("r+b") as file:
                file.seek(page * 8192 + 4000)
                file.write(b"\xff" * 64)
        server.start()
        damaged, sound = await asyncio.gather(store.load("room"), store.load("sound"), return_exceptions=True)
        assert isinstance(damaged, StoreError)
        assert not isinstance(sound, BaseException), sound
        assert list(sound.updates) == [b"x"]
        found = await store.damage()
        assert any("invalid page" in each for each in found if each.startswith("PostgreSQL")), found
        assert any(each.startswith("index updates_pkey") for each in found), found
        await store.close()


async def test_notices_are_pruned_after_a_day_or_more_and_who_misses_some_is_told(
    postgres: PostgresServer, postgres_url: str
) -> None:
    name = _name(postgres_url)
    store = await PostgresStore.open(postgres_url, node="one")
    for number in range(4):
        await store.delete(f"room {number}")
    day_ms = 24 * 3600 * 1000
    postgres.run(f"UPDATE crdt_sync.notices SET at_ms = at_ms - {day_ms} - 60000 WHERE number <= 3", database=name)
    await store.delete("room 4")
    assert [each.number for each in await store.notices(0) or ()] == [1, 2, 3, 4, 5]
    postgres.run(f"UPDATE crdt_sync.notices SET at_ms = at_ms - {day_ms} WHERE number IN (1, 3)", database=name)
    await store.delete("room 5")
    assert await store.notices(0) is None
    found = await store.notices(1)
    assert found is not None, "those after the first that is kept stay, whatever the clock said of them"
    assert [(each.number, each.kind) for each in found] == [(number, NoticeKind.DELETED) for number in range(2, 7)]
    assert await store.notices(7) is None, "the database was put back to an earlier state"
    await store.close()
