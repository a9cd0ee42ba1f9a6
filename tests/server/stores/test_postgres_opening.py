"""Opening a database: who may, what is made there, what is refused, and what is said of it."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import psycopg
import pytest

from crdt_sync_server.errors import StoreError
from crdt_sync_server.stores import postgres_schema
from crdt_sync_server.stores.postgres import PostgresStore
from crdt_sync_server.stores.postgres_connecting import Target
from crdt_sync_server.stores.postgres_schema import SCHEMA_VERSION
from tests.postgres_server import PASSWORD, PostgresServer
from tests.server.stores.left_open import left_open

__all__ = ["left_open"]

pytestmark = pytest.mark.anyio


def _name(url: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])


async def _refused(url: str) -> str:
    """Return why a database cannot be opened; no secret is in it, nor in what led to it."""
    with pytest.raises(StoreError) as raised:
        await PostgresStore.open(url)
    cause: BaseException | None = raised.value
    assert "\n" not in str(cause)
    while cause is not None:
        assert PASSWORD not in str(cause)
        cause = cause.__cause__
    return str(raised.value)


async def test_many_who_open_a_new_database_at_once_all_can(postgres_url: str) -> None:
    """As when a cluster starts: one makes the tables, the others wait for it."""
    stores = await asyncio.gather(*(PostgresStore.open(postgres_url) for _ in range(6)))
    for position, store in enumerate(stores, start=1):
        assert await store.append("room", b"x") == position
    assert len({store.node for store in stores}) == 6
    for store in stores:
        await store.close()


async def test_what_goes_wrong_is_said_in_words(postgres: PostgresServer, postgres_url: str) -> None:
    name = _name(postgres_url)
    assert "password authentication failed" in await _refused(postgres.url(name, password=f"{PASSWORD}x"))
    assert "does not exist" in await _refused(postgres.url("nowhere"))
    assert "refused" in await _refused(postgres.url(name, port=1))
    for url in (f"postgresql://ada:{PASSWORD}@host/db", f"host=x {PASSWORD}", "postgresql://h:x/db?nonsense=1"):
        assert "database-url is no PostgreSQL URL" in await _refused(url)


async def test_a_user_without_rights_is_told_which_are_needed(postgres: PostgresServer, postgres_url: str) -> None:
    """With a schema of its own it needs no others."""
    name = _name(postgres_url)
    postgres.run(f"CREATE USER guest PASSWORD '{PASSWORD}'", f"REVOKE CREATE ON DATABASE {name} FROM PUBLIC")
    url = postgres.url(name, user="guest")
    assert "must own the schema crdt_sync, or may create it" in await _refused(url)
    postgres.run("CREATE SCHEMA crdt_sync AUTHORIZATION guest", database=name)
    store = await PostgresStore.open(url)
    await store.append("room", b"x")
    await store.erased()
    assert list(await store.damage()) == []
    await store.close()
    postgres.run("DROP OWNED BY guest", "DROP USER guest", database=name)


async def test_a_database_that_can_only_be_read_is_refused(postgres: PostgresServer, postgres_url: str) -> None:
    """When it becomes so while it is open, appends and the check say it, and go on by themselves when it is over."""
    name = _name(postgres_url)
    store = await PostgresStore.open(postgres_url)
    postgres.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert "read-only" in await _refused(postgres_url)
    assert "can only be read, as a standby; name the primary" in await _refused(
        f"{postgres_url} target_session_attrs=any"
    )
    _end_sessions(postgres, name)
    for call in (store.append("room", b"x"), store.check()):
        with pytest.raises(StoreError, match="read-only"):
            await call
    postgres.run(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
    await store.check()
    assert await store.append("room", b"x") == 1
    await store.close()


def _end_sessions(postgres: PostgresServer, name: str) -> None:
    postgres.run(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'")


async def test_other_databases_are_refused_untouched(postgres: PostgresServer) -> None:
    theirs, newer, latin = (postgres.create() for _ in range(3))
    postgres.run("CREATE SCHEMA crdt_sync", "CREATE TABLE crdt_sync.theirs (x int)", database=theirs)
    await (await PostgresStore.open(postgres.url(newer))).close()
    postgres.run("UPDATE crdt_sync.schema_version SET version = 99", database=newer)
    postgres.run(f"DROP DATABASE {latin}")
    postgres.run(f"CREATE DATABASE {latin} ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0")
    for name, words in ((theirs, "another program's"), (newer, "newer version"), (latin, "encoded in LATIN1")):
        before = _tables(postgres, name)
        assert words in await _refused(postgres.url(name))
        assert _tables(postgres, name) == before
        postgres.run(f"DROP DATABASE {name} WITH (FORCE)")


def _tables(postgres: PostgresServer, name: str) -> list[tuple[str, ...]]:
    query = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('crdt_sync') ORDER BY 1"
    return postgres.run(query, database=name)


async def test_a_migration_that_fails_changes_nothing_and_the_next_one_goes_on(
    postgres: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later version's tables come with the data that is there; an older relay that still runs is not disturbed."""
    store = await PostgresStore.open(postgres_url)
    await store.append("room", b"kept")
    before = _tables(postgres, _name(postgres_url))
    monkeypatch.setattr(postgres_schema, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    bad = (*postgres_schema.MIGRATIONS, "CREATE TABLE more (x int); CREATE TABLE rooms (x int)")
    monkeypatch.setattr(postgres_schema, "MIGRATIONS", bad)
    assert "already exists" in await _refused(postgres_url)
    assert _tables(postgres, _name(postgres_url)) == before
    good = (*bad[:-1], "CREATE TABLE more (x int)")
    monkeypatch.setattr(postgres_schema, "MIGRATIONS", good)
    newer = await PostgresStore.open(postgres_url)
    assert await store.append("room", b"old") == 2
    assert list((await newer.load("room")).updates) == [b"kept", b"old"]
    await newer.close()
    await store.close()
    monkeypatch.undo()
    assert "newer version" in await _refused(postgres_url)


async def test_the_tables_lie_in_a_schema_of_their_own(postgres: PostgresServer, postgres_url: str) -> None:
    """So the database may be another program's too, whatever its search path is."""
    name = _name(postgres_url)
    postgres.run("CREATE TABLE public.rooms (x int)", database=name)
    postgres.run(f"ALTER DATABASE {name} SET search_path = public")
    store = await PostgresStore.open(postgres_url)
    await store.append("room", b"x")
    assert [each.name for each in await store.rooms()] == ["room"]
    await store.close()
    assert postgres.run("SELECT count(*) FROM public.rooms", database=name) == [(0,)]


async def test_a_commit_is_on_the_disk_before_it_is_answered(postgres: PostgresServer, postgres_url: str) -> None:
    """Whatever the database's default is, unless the operator of the relay has said otherwise."""
    name = _name(postgres_url)
    for theirs, relaxed, ours in (
        ("off", False, "on"), ("on", False, "on"), ("remote_apply", False, "remote_apply"), ("on", True, "off"),
    ):  # fmt: skip
        postgres.run(f"ALTER DATABASE {name} SET synchronous_commit = {theirs}")
        store = await PostgresStore.open(postgres_url, relaxed=relaxed)
        assert await store._link.read("SHOW synchronous_commit") == [(ours,)]
        await store.close()


async def test_a_closed_store_says_so(postgres_url: str) -> None:
    store = await PostgresStore.open(postgres_url)
    await store.close()
    for call in (store.append("room", b"x"), store.load("room"), store.check()):
        with pytest.raises(StoreError, match="closed"):
            await call
    await store.close()


def test_no_password_is_shown() -> None:
    target = Target.of(f"host=h port=1 dbname=d user=u password='{PASSWORD}'")
    assert PASSWORD in target.conninfo
    assert PASSWORD not in repr(target) + str(target) + target.where
    assert target.where == "h:1/d"


def test_a_relay_on_a_file_loads_no_driver() -> None:
    script = """
import asyncio, sys
from pathlib import Path
from crdt_sync_server import cli
from crdt_sync_server.config import Config
from crdt_sync_server.wiring import build
from crdt_sync_server.wiring_stores import open_store
async def main(folder):
    config = Config(data=Path(folder))
    store = await open_store(config)
    build(config, store)
    await store.close()
import tempfile
with tempfile.TemporaryDirectory() as folder:
    asyncio.run(main(folder))
assert not [name for name in sys.modules if name.startswith("psycopg")]
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
