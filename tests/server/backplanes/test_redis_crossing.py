"""Two relays that both publish and listen, while their links break and the server dies: nothing is lost in silence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

from crdt_sync_server.backplane import Committed, Missed, News
from crdt_sync_server.backplanes.redis import RedisBackplane
from crdt_sync_server.errors import BackplaneError
from tests.redis_server import RedisServer
from tests.tcp_proxy import TcpProxy, tcp_proxy

pytestmark = pytest.mark.anyio

LAST = 10**6


class Node:
    """A relay that publishes 0, 1, 2 … in a room of its own, and follows all rooms."""

    def __init__(self, room: str, proxy: TcpProxy) -> None:
        self.room = room
        self.proxy = proxy
        self.acknowledged: list[int] = []
        self.heard: list[News] = []
        self.follows = anyio.Event()
        self.failures = 0
        self._backplane = RedisBackplane(f"redis://127.0.0.1:{proxy.port}/0")

    async def aclose(self) -> None:
        await self._backplane.close()

    async def publish(self, position: int) -> None:
        try:
            await self._backplane.publish([Committed(self.room, position, bytes(100))])
        except BackplaneError:
            self.failures += 1
            await anyio.sleep(0.005)
        else:
            self.acknowledged.append(position)

    async def follow(self, until: Callable[[Node], bool]) -> None:
        cursor: str | None = None
        while not until(self):
            try:
                async with self._backplane.subscribe(cursor) as news:
                    self.follows.set()
                    while not until(self):
                        carried = await anext(news)
                        cursor = carried.cursor
                        self.heard += carried.news
            except BackplaneError:
                await anyio.sleep(0.005)

    def check(self, other: Node) -> None:
        """Between two positions that were heard, all that were acknowledged were heard too, or something was missed."""
        last, was_missed = -1, False
        acknowledged = set(other.acknowledged)
        for each in self.heard:
            if isinstance(each, Missed):
                was_missed = True
            elif isinstance(each, Committed) and each.room == other.room:
                assert each.position > last
                lost = acknowledged & set(range(last + 1, min(each.position, max(acknowledged) + 1)))
                assert was_missed or not lost, f"{self.room} lost {sorted(lost)[:5]} of {other.room} in silence"
                last, was_missed = each.position, False
        assert last == LAST


async def crossing(port: int, trouble: Callable[[list[Node], int], Awaitable[None]], count: int) -> list[Node]:
    """Let two nodes publish so many, with `trouble` after each. Return them when both have the last of both."""
    async with (
        tcp_proxy(port) as one,
        tcp_proxy(port) as two,
        aclosing(Node("one", one)) as first,
        aclosing(Node("two", two)) as second,
    ):
        nodes = [first, second]

        def has_the_last(node: Node) -> bool:
            return all(Committed(each.room, LAST, bytes(100)) in node.heard[-50:] for each in nodes)

        with anyio.fail_after(40):
            async with anyio.create_task_group() as tasks:
                for node in nodes:
                    tasks.start_soon(node.follow, has_the_last)
                    await node.follows.wait()
                for position in range(count):
                    for node in nodes:
                        await node.publish(position)
                    await trouble(nodes, position)
                for node in nodes:
                    while LAST not in node.acknowledged:
                        await node.publish(LAST)
        return nodes


async def test_links_that_break(tmp_path: Path) -> None:
    """The stream stays, so nothing that was acknowledged is missed."""

    async def trouble(nodes: list[Node], position: int) -> None:
        if position % 15 == 7:
            nodes[position // 15 % 2].proxy.cut()

    with RedisServer(tmp_path) as server:
        nodes = await crossing(server.port, trouble, 300)
    assert sum(node.failures for node in nodes) > 0
    for node in nodes:
        assert Missed() not in node.heard
        for other in nodes:
            node.check(other)


@pytest.mark.parametrize("keeps", [False, True])
async def test_a_server_that_is_killed_in_a_burst(tmp_path: Path, keeps: bool) -> None:
    with RedisServer(tmp_path, keeps=keeps) as server:

        async def trouble(nodes: list[Node], position: int) -> None:
            if position % 60 == 30:
                server.kill()
                for _ in range(3):
                    for node in nodes:
                        await node.publish(position)
                server.start()

        nodes = await crossing(server.port, trouble, 200)
    assert min(node.failures for node in nodes) > 0
    for node in nodes:
        assert keeps or Missed() in node.heard
        for other in nodes:
            node.check(other)


async def test_a_stream_that_is_flushed_and_evicted_in_a_burst(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:

        async def trouble(nodes: list[Node], position: int) -> None:
            if position % 40 == 20:
                server("FLUSHALL" if position % 80 == 20 else "DEL", *[] if position % 80 == 20 else ["crdt-sync:news"])

        nodes = await crossing(server.port, trouble, 300)
    for node in nodes:
        assert Missed() in node.heard
        for other in nodes:
            node.check(other)
