"""The backplane on a real server: the contract, and what can happen to the server and on the way to it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
import pytest

from crdt_sync_server.backplane import Backplane, Committed, Missed, Said
from crdt_sync_server.backplanes.postgres import PostgresBackplane
from crdt_sync_server.conformance_backplane import BackplaneContract, BackplaneEngine
from crdt_sync_server.conformance_hearing import take, take_until
from crdt_sync_server.errors import BackplaneError, ConfigurationError
from tests.postgres_server import PASSWORD, PostgresServer
from tests.tcp_proxy import tcp_proxy

pytestmark = pytest.mark.anyio

NOTICED_WITHIN_S = 4.0


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    with PostgresServer() as running:
        yield running


class PostgresEngine:
    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._opened: list[PostgresBackplane] = []

    async def open(self) -> Backplane:
        self._opened.append(PostgresBackplane(self._server.url("postgres")))
        return self._opened[-1]

    async def stop(self) -> None:
        self._server.kill()

    async def start(self) -> None:
        self._server.start()

    async def close(self) -> None:
        for each in self._opened:
            await each.close()


class TestPostgresBackplane(BackplaneContract):
    carries = False
    keeps = False

    @pytest.fixture(autouse=True)
    def server(self, own_server: PostgresServer) -> None:
        self._server = own_server

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[BackplaneEngine]:
        engine = PostgresEngine(self._server)
        try:
            yield engine
        finally:
            await engine.close()


@asynccontextmanager
async def opened(url: str, **options: str) -> AsyncIterator[PostgresBackplane]:
    backplane = PostgresBackplane(url, **options)
    try:
        yield backplane
    finally:
        await backplane.close()


async def test_channels_are_apart(postgres_url: str) -> None:
    async with (
        opened(postgres_url) as ours,
        opened(postgres_url, channel='odd "name"') as theirs,
        ours.subscribe(None) as one,
        theirs.subscribe(None) as two,
    ):
        await ours.publish([Committed("room", 1)])
        await theirs.publish([Committed("room", 2)])
        assert await take(one, 1) == [Committed("room", 1)]
        assert await take(two, 1) == [Committed("room", 2)]


async def test_what_is_said_alike_comes_as_often_as_it_is_said(postgres_url: str) -> None:
    """PostgreSQL would make one of what is the same in a transaction."""
    same = Said("node", bytes(100_000))
    async with opened(postgres_url) as relay, relay.subscribe(None) as news:
        await relay.say([same, same, same, same])
        assert await take(news, 4) == [same] * 4
        await relay.publish([Committed("room", 1)] * 3000)
        assert await take(news, 3000) == [Committed("room", 1)] * 3000


async def test_who_reads_nothing_keeps_nobody_from_publishing(postgres_url: str) -> None:
    published = [Committed("room", position) for position in range(3000)]
    async with opened(postgres_url) as ours, opened(postgres_url) as theirs, ours.subscribe(None) as news:
        for start in range(0, 3000, 10):
            await theirs.publish(published[start : start + 10])
        assert await take(news, 3000) == published


async def test_what_others_write_into_the_channel_was_missed(postgres: PostgresServer, postgres_url: str) -> None:
    name = postgres_url.split("dbname=")[1].split()[0]
    async with opened(postgres_url) as relay, relay.subscribe(None) as news:
        await anext(news)
        for payload in ("", "hello", "c1:!", "c1:AQ5y", "s1.1.2:AA==", "s1.0.99999:AA==", "s1.0.1:A"):
            postgres.run(f"SELECT pg_notify('crdt-sync:news', '{payload}')", database=name)
            assert await take(news, 1) == [Missed()]
        await relay.publish([Committed("room", 1)])
        assert await take(news, 1) == [Committed("room", 1)]


@pytest.mark.parametrize("loses_answers", [False, True])
async def test_a_partition_is_noticed(postgres: PostgresServer, loses_answers: bool) -> None:
    async with (
        tcp_proxy(postgres.port) as proxy,
        opened(postgres.url("postgres", port=proxy.port)) as ours,
        opened(postgres.url("postgres")) as theirs,
    ):
        async with ours.subscribe(None) as news:
            await ours.publish([Committed("room", 1)])
            assert await take(news, 1) == [Committed("room", 1)]
            if loses_answers:
                proxy.loses_answers = True
            else:
                proxy.hang()
            for call in (lambda: take(news, 1), lambda: ours.publish([Committed("room", 0)])):
                since_s = time.monotonic()
                with pytest.raises(BackplaneError):
                    await call()
                assert time.monotonic() - since_s < NOTICED_WITHIN_S
        proxy.cut()
        proxy.flow()
        async with ours.subscribe("any") as news:
            await theirs.publish([Committed("room", 2)])
            assert (await take(news, 2))[0] == Missed()


async def test_a_slow_link_brings_everything(postgres: PostgresServer) -> None:
    said = [Said("node", bytes([number]) * 100_000) for number in range(4)]
    async with tcp_proxy(postgres.port) as proxy, opened(postgres.url("postgres", port=proxy.port)) as relay:
        proxy.delay_s = 0.05
        async with relay.subscribe(None) as news:
            await relay.say(said)
            await relay.publish([Committed("room", position) for position in range(5000)])
            assert await take(news, 5004) == [*said, *(Committed("room", position) for position in range(5000))]


async def test_who_gives_up_in_the_middle_of_a_call_spoils_no_other(postgres: PostgresServer) -> None:
    async with (
        tcp_proxy(postgres.port) as proxy,
        opened(postgres.url("postgres", port=proxy.port)) as ours,
        opened(postgres.url("postgres")) as theirs,
        theirs.subscribe(None) as news,
    ):
        await ours.publish([Committed("room", 0)])
        proxy.delay_s = 0.02
        for position in range(1, 40, 2):
            with anyio.move_on_after(0.001 * position):
                await ours.publish([Committed("room", position)])
            await ours.publish([Committed("room", position + 1)])
        heard = await take_until(news, Committed("room", 40))
    positions = [each.position for each in heard if isinstance(each, Committed)]
    assert [position for position in positions if position % 2 == 0] == list(range(0, 41, 2))
    assert len(set(positions)) == len(positions)


async def test_who_is_not_let_in_is_told_without_the_password(postgres: PostgresServer) -> None:
    async with opened(postgres.url("postgres", password="wr0ng")) as relay:
        with pytest.raises(BackplaneError, match="password authentication failed") as raised:
            await relay.publish([Committed("room", 1)])
        assert "wr0ng" not in str(raised.value)


async def test_a_server_that_hangs_is_noticed_and_leaving_is_not_held_up() -> None:
    with PostgresServer() as server:
        async with opened(server.url("postgres")) as relay:
            async with relay.subscribe(None) as news:
                await relay.publish([Committed("room", 1)])
                await take(news, 1)
                server.pause()
                with anyio.fail_after(NOTICED_WITHIN_S), pytest.raises(BackplaneError):
                    await take(news, 1)
                with anyio.fail_after(NOTICED_WITHIN_S), pytest.raises(BackplaneError):
                    await relay.publish([Committed("room", 2)])
            server.resume()
            with anyio.fail_after(20):
                async with relay.subscribe("any") as news:
                    await relay.publish([Committed("room", 3)])
                    assert await take(news, 2) == [Missed(), Committed("room", 3)]


@pytest.mark.parametrize("url", ["nonsense", f"postgresql://u:{PASSWORD}@h:p:1/x y", "host='hidden"])
def test_what_names_no_database_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        PostgresBackplane(url)
    assert url not in str(raised.value)
