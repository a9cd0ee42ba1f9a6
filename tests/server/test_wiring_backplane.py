"""Which backplane the settings give."""

from __future__ import annotations

import builtins
from typing import Any

import pytest

from crdt_sync_server.backplane import Committed
from crdt_sync_server.backplanes.postgres import PostgresBackplane
from crdt_sync_server.backplanes.redis import RedisBackplane
from crdt_sync_server.config import Config
from crdt_sync_server.conformance_backplane import take
from crdt_sync_server.errors import ConfigurationError
from crdt_sync_server.stores.postgres import PostgresStore
from crdt_sync_server.wiring_backplane import open_backplane
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer

pytestmark = pytest.mark.anyio

DATABASE = "postgresql://relay:hidden@127.0.0.1:1/relay"


def test_none_is_none() -> None:
    assert open_backplane(Config(), "") is None
    assert open_backplane(Config(backplane="none"), "") is None


@pytest.mark.parametrize("others", [("two:", "it"), ("one:", "another")], ids=["prefix", "installation"])
async def test_a_server_of_redis_is_shared(tmp_path: Any, others: tuple[str, str]) -> None:
    """By installations that say another prefix, and by those that know nothing of each other."""
    with RedisServer(tmp_path) as server:
        one, two = (
            open_backplane(Config(database_url=DATABASE, backplane=server.url, backplane_prefix=prefix), installation)
            for prefix, installation in (("one:", "it"), others)
        )
        assert isinstance(one, RedisBackplane)
        assert isinstance(two, RedisBackplane)
        async with one.subscribe(None) as news:
            await two.publish([Committed("room", 1)])
            await one.publish([Committed("room", 2)])
            assert await take(news, 1) == [Committed("room", 2)]
        assert sorted(server("KEYS", "*")) == sorted([b"one:it:news", f"{others[0]}{others[1]}:news".encode()])
        await one.close()
        await two.close()


async def test_databases_are_told_apart_and_one_is_the_same_for_all(postgres: PostgresServer) -> None:
    urls = [postgres.url(postgres.create()) for _ in range(2)]
    names = []
    for url in (*urls, urls[0]):
        store = await PostgresStore.open(url)
        names.append(store.installation)
        await store.close()
    assert names[0] == names[2] != names[1]
    assert all(names)


async def test_the_database_itself_is_one(postgres_url: str) -> None:
    backplane = open_backplane(Config(database_url=postgres_url, backplane="postgres"), "it")
    assert isinstance(backplane, PostgresBackplane)
    async with backplane.subscribe(None) as news:
        await backplane.publish([Committed("room", 1)])
        assert await take(news, 1) == [Committed("room", 1)]
    await backplane.close()


@pytest.mark.parametrize(("setting", "library"), [("postgres", "postgres"), ("rediss://host", "redis")])
def test_a_library_that_lacks_is_named(monkeypatch: pytest.MonkeyPatch, setting: str, library: str) -> None:
    real = builtins.__import__

    def lacking(name: str, *rest: Any, **others: Any) -> Any:
        if name == f"crdt_sync_server.backplanes.{library}":
            raise ImportError("no module")
        return real(name, *rest, **others)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(ConfigurationError, match=rf"crdt-sync\[server,{library}\]"):
        open_backplane(Config(database_url=DATABASE, backplane=setting), "it")


def test_a_url_that_is_none_is_refused_when_it_is_opened() -> None:
    with pytest.raises(ConfigurationError, match="backplane's URL") as raised:
        open_backplane(Config(database_url=DATABASE, backplane="redis://:hidden@host:port"), "it")
    assert "hidden" not in str(raised.value)
