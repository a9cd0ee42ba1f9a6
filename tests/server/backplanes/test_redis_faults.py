"""What can happen to a real server and on the way to it; nothing is lost but as `Missed` or an error says."""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from crdt_sync_server.backplane import Carried, Committed, Missed, News, Said
from crdt_sync_server.backplanes.redis import Kept, RedisBackplane
from crdt_sync_server.conformance_hearing import take, take_until
from crdt_sync_server.errors import BackplaneError
from tests.redis_server import RedisServer
from tests.tcp_proxy import tcp_proxy

pytestmark = pytest.mark.anyio

STREAM = "crdt-sync:news"
NOTICED_WITHIN_S = 4.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as running:
        yield running


@asynccontextmanager
async def opened(url: str, kept: Kept | None = None) -> AsyncIterator[RedisBackplane]:
    backplane = RedisBackplane(url, kept=kept)
    try:
        yield backplane
    finally:
        await backplane.close()


async def _next(news: AsyncIterator[Carried]) -> Carried:
    """Return the next delivery that brings something."""
    while not (carried := await anext(news)).news:
        pass
    return carried


def update(position: int, size: int = 10) -> Committed:
    return Committed("room", position, bytes(size))


def through(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


async def test_a_flush_is_told_to_who_listens_though_nothing_comes_after_it(server: RedisServer) -> None:
    async with opened(server.url) as relay, relay.subscribe(None) as news:
        await relay.publish([update(1)])
        assert await take(news, 1) == [update(1)]
        server("FLUSHALL")
        assert await take(news, 1) == [Missed()]
        await relay.publish([update(2)])
        assert await take(news, 1) == [update(2)]
        with anyio.move_on_after(2.5):  # and it is told once
            assert await take(news, 1) == []


async def test_after_a_flush_all_publish_into_the_new_stream(server: RedisServer) -> None:
    async with opened(server.url) as ours, opened(server.url) as theirs, ours.subscribe(None) as news:
        await ours.publish([update(1)])
        await theirs.publish([update(2)])
        await take(news, 2)
        await ours.say([Said("node", b"")])
        cursor = (await anext(news)).cursor
        server("FLUSHALL")
        await theirs.publish([update(3)])
        await ours.publish([update(4), update(5, 60_000), update(6, 60_000)])
        assert await take(news, 5) == [Missed(), update(3), update(4), update(5, 60_000), update(6, 60_000)]
        async with theirs.subscribe(cursor) as again:
            await theirs.publish([update(7)])
            assert (await take_until(again, update(7)))[0] == Missed()


async def test_what_was_trimmed_was_missed(server: RedisServer) -> None:
    async with opened(server.url, Kept(entries=200)) as relay:
        async with relay.subscribe(None) as news:
            cursor = (await anext(news)).cursor
        for position in range(1000):
            await relay.publish([update(position)])
        async with relay.subscribe(cursor) as news:
            await relay.publish([update(1000)])
            assert await take(news, 2) == [Missed(), update(1000)]
    assert 200 <= server("XLEN", STREAM) <= 400


async def test_who_falls_behind_is_told_in_the_middle(server: RedisServer) -> None:
    async with opened(server.url, Kept(entries=200)) as relay, relay.subscribe(None) as news:
        for position in range(1000):
            await relay.publish([update(position)])
        heard = await take_until(news, update(999))
    gap = heard.index(Missed())
    assert heard[:gap] == [update(position) for position in range(gap)]
    assert heard[gap + 1 :] == [update(position) for position in range(1001 - (len(heard) - gap), 1000)]


async def test_a_stream_of_large_updates_is_shortened(server: RedisServer) -> None:
    kept = Kept(size_bytes=2_000_000, measured_each_bytes=200_000)
    async with opened(server.url, kept) as relay:
        for position in range(300):
            await relay.publish([update(position, 30_000)])
    assert 500_000 < server("MEMORY", "USAGE", STREAM, "SAMPLES", 0) < 3_000_000


async def test_what_was_kept_over_a_restart_goes_on_and_an_old_copy_does_not(tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    with RedisServer(folder, keeps=True) as server:
        async with opened(server.url) as relay:
            async with relay.subscribe(None) as news:
                await relay.publish([update(1)])
                carried = await _next(news)
            server.kill()
            shutil.copytree(folder, tmp_path / "copy")
            server.start()
            await relay.publish([update(2)])
            async with relay.subscribe(carried.cursor) as news:
                carried = await _next(news)
                assert carried.news == (update(2),)
            server.kill()
            shutil.rmtree(folder)
            shutil.copytree(tmp_path / "copy", folder)
            server.start()
            await relay.publish([update(3)])  # it has the id now that the update 2 had
            await relay.publish([update(4)])
            async with relay.subscribe(carried.cursor) as news:
                await relay.publish([update(5)])
                assert (await take_until(news, update(5)))[0] == Missed()


async def test_a_full_server_refuses_and_is_heard(tmp_path: Path) -> None:
    with RedisServer(tmp_path, "--maxmemory", "4mb", "--maxmemory-policy", "noeviction") as server:
        async with opened(server.url) as relay, relay.subscribe(None) as news:
            await relay.publish([update(1)])
            server("SETRANGE", "filler", 5_000_000, "x")
            for batch in ([update(2)], [update(3, 60_000), update(4, 60_000)]):
                with pytest.raises(BackplaneError, match="Redis is full: raise its maxmemory"):
                    await relay.publish(batch)
            await relay.say([Said("node", b"still here")])
            assert await take(news, 2) == [update(1), Said("node", b"still here")]
            server("DEL", "filler")
            await relay.publish([update(5)])
            assert await take(news, 1) == [update(5)]


async def test_a_stream_that_was_evicted_is_told(server: RedisServer) -> None:
    async with opened(server.url) as relay, relay.subscribe(None) as news:
        for position in range(3):
            await relay.publish([update(position)])
        await take(news, 3)
        server("DEL", STREAM)
        await relay.publish([update(3)])
        assert await take(news, 2) == [Missed(), update(3)]


async def test_a_partition_is_noticed_and_mended(server: RedisServer) -> None:
    async with tcp_proxy(server.port) as proxy, opened(through(proxy.port)) as ours, opened(server.url) as theirs:
        async with ours.subscribe(None) as news:
            await theirs.publish([update(1)])
            await take(news, 1)
            await ours.publish([update(2)])
            carried = await anext(news)
            proxy.hang()
            since_s = time.monotonic()
            with pytest.raises(BackplaneError):
                await take(news, 1)
            assert time.monotonic() - since_s < NOTICED_WITHIN_S
            since_s = time.monotonic()
            with pytest.raises(BackplaneError):
                await ours.publish([update(0)])
            assert time.monotonic() - since_s < NOTICED_WITHIN_S
        await theirs.publish([update(3)])
        proxy.cut()
        proxy.flow()
        async with ours.subscribe(carried.cursor) as news:
            assert (await take_until(news, update(3)))[-1] == update(3)


async def test_a_server_that_hears_and_does_not_answer_is_noticed(server: RedisServer) -> None:
    async with tcp_proxy(server.port) as proxy, opened(through(proxy.port)) as ours, ours.subscribe(None) as news:
        await anext(news)
        proxy.loses_answers = True
        with anyio.fail_after(NOTICED_WITHIN_S), pytest.raises(BackplaneError):
            await take(news, 1)


async def test_a_slow_link_brings_everything(server: RedisServer) -> None:
    published = [update(position, 20_000) for position in range(200)]
    async with tcp_proxy(server.port) as proxy, opened(through(proxy.port)) as ours, opened(server.url) as theirs:
        proxy.delay_s = 0.05
        async with ours.subscribe(None) as news:
            await theirs.publish(published)
            await ours.publish([update(200)])
            assert await take(news, 201) == [*published, update(200)]


async def test_two_relays_whose_links_break_hear_everything_once(server: RedisServer) -> None:
    """Each comes back after its cursor; as nothing was trimmed, neither has missed anything."""
    count = 400

    async def follow(port: int, heard: list[News], entered: anyio.Event) -> None:
        cursor: str | None = None
        async with opened(through(port)) as relay:
            while len(heard) < count:
                try:
                    async with relay.subscribe(cursor) as news:
                        entered.set()
                        async for carried in news:
                            cursor = carried.cursor
                            heard += carried.news
                            if len(heard) >= count:
                                break
                except BackplaneError:
                    await anyio.sleep(0.01)

    async with tcp_proxy(server.port) as one, tcp_proxy(server.port) as two, opened(server.url) as relay:
        heard: tuple[list[News], list[News]] = ([], [])
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                for proxy, each in zip((one, two), heard, strict=True):
                    entered = anyio.Event()
                    tasks.start_soon(follow, proxy.port, each, entered)
                    await entered.wait()
                for position in range(count):
                    await relay.publish([update(position)])
                    if position % 20 == 7:
                        (one, two)[position // 20 % 2].cut()
                    await anyio.sleep(0.001)
    assert heard[0] == heard[1] == [update(position) for position in range(count)]


async def test_who_gives_up_in_the_middle_of_a_call_spoils_no_other(server: RedisServer) -> None:
    """No answer to what was given up is taken for the answer to what comes next."""
    async with (
        tcp_proxy(server.port) as proxy,
        opened(through(proxy.port)) as ours,
        opened(server.url) as theirs,
        theirs.subscribe(None) as news,
    ):
        await ours.publish([update(0)])
        proxy.delay_s = 0.02
        for position in range(1, 40, 2):
            with anyio.move_on_after(0.001 * position):
                await ours.publish([update(position)])
            await ours.publish([update(position + 1)])
            await ours.say([Said("node", b"%d" % position)])
        heard = await take_until(news, update(40))
    committed = [each.position for each in heard if isinstance(each, Committed)]
    assert [position for position in committed if position % 2 == 0] == list(range(0, 41, 2))
    assert len(set(committed)) == len(committed)


async def test_what_cannot_be_read_was_missed(server: RedisServer) -> None:
    async with opened(server.url) as relay, relay.subscribe(None) as news:
        generation = server("XINFO", "STREAM", STREAM)
        last = generation[generation.index(b"last-generated-id") + 1].split(b"-")[0].decode()
        for fields in (("b", b"12345678" + b"\x02later"), ("other", b"x"), ("b", b"12345678" + b"\x01\x05ro")):
            server("XADD", STREAM, f"{last}-*", *fields)
        server("PUBLISH", "crdt-sync:said", b"\x01\x09")
        await relay.publish([update(1)])
        assert [each for each in await take(news, 4) if each != Missed()] == [update(1)]
