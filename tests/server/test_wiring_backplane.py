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
from crdt_sync_server.wiring_backplane import open_backplane
from tests.redis_server import RedisServer

pytestmark = pytest.mark.anyio

DATABASE = "postgresql://relay:hidden@127.0.0.1:1/relay"


def test_none_is_none() -> None:
    assert open_backplane(Config()) is None
    assert open_backplane(Config(backplane="none")) is None


async def test_a_server_of_redis_is_shared_by_prefix(tmp_path: Any) -> None:
    with RedisServer(tmp_path) as server:
        one, two = (
            open_backplane(Config(database_url=DATABASE, backplane=server.url, backplane_prefix=prefix))
            for prefix in ("one:", "two:")
        )
        assert isinstance(one, RedisBackplane)
        assert isinstance(two, RedisBackplane)
        async with one.subscribe(None) as news:
            await two.publish([Committed("room", 1)])
            await one.publish([Committed("room", 2)])
            assert await take(news, 1) == [Committed("room", 2)]
        assert sorted(server("KEYS", "*")) == [b"one:news", b"two:news"]
        await one.close()
        await two.close()


async def test_the_database_itself_is_one(postgres_url: str) -> None:
    backplane = open_backplane(Config(database_url=postgres_url, backplane="postgres"))
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
        open_backplane(Config(database_url=DATABASE, backplane=setting))


def test_a_url_that_is_none_is_refused_when_it_is_opened() -> None:
    with pytest.raises(ConfigurationError, match="backplane's URL") as raised:
        open_backplane(Config(database_url=DATABASE, backplane="redis://:hidden@host:port"))
    assert "hidden" not in str(raised.value)
