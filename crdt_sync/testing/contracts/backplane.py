"""The contract of a backplane: how several relays that serve one room tell each other what they have stored.

The relay of today serves a room alone; this is the port of the one that will not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import anyio

__all__ = ["Backplane", "BackplaneContract", "MemoryBackplane"]

WAIT_S = 10


class Backplane(Protocol):
    """Messages of each room, in one order for everybody."""

    async def publish(self, room: str, message: bytes) -> int:
        """Add a message and return its cursor. Cursors of a room rise in the order in which all see its messages."""

    def subscribe(self, room: str, after: int) -> AbstractAsyncContextManager[AsyncIterator[tuple[int, bytes]]]:
        """Give, while the block lasts, every message of `room` after that cursor (0: all), then what comes."""


class MemoryBackplane:
    """A `Backplane` within one process."""

    def __init__(self) -> None:
        self._messages: dict[str, list[bytes]] = {}
        self._news: dict[str, anyio.Event] = {}

    async def publish(self, room: str, message: bytes) -> int:
        """See `Backplane`."""
        messages = self._messages.setdefault(room, [])
        messages.append(message)
        self._news.pop(room, anyio.Event()).set()
        return len(messages)

    @asynccontextmanager
    async def subscribe(self, room: str, after: int) -> AsyncIterator[AsyncIterator[tuple[int, bytes]]]:
        """See `Backplane`."""
        yield self._follow(room, after)

    async def _follow(self, room: str, cursor: int) -> AsyncIterator[tuple[int, bytes]]:
        while True:
            messages = self._messages.setdefault(room, [])
            while cursor < len(messages):
                cursor += 1
                yield cursor, messages[cursor - 1]
            news = self._news.setdefault(room, anyio.Event())
            await news.wait()


class BackplaneContract:
    """The rules of `Backplane`."""

    def opened(self) -> AbstractAsyncContextManager[Backplane]:
        """Return a block in which an empty backplane is open."""
        raise NotImplementedError

    async def test_a_subscriber_gets_what_was_and_what_comes(self) -> None:
        """In order, once each, with the cursors that the publishers were told."""
        async with self.opened() as backplane:
            cursors = [await backplane.publish("room", b"%d" % number) for number in range(3)]
            async with backplane.subscribe("room", 0) as messages:
                assert await _take(messages, 3) == [(cursor, b"%d" % n) for n, cursor in enumerate(cursors)]
                later = await backplane.publish("room", b"later")
                assert await _take(messages, 1) == [(later, b"later")]
                assert later > cursors[-1]

    async def test_a_subscriber_goes_on_after_its_cursor(self) -> None:
        """Whoever was away misses nothing and gets nothing twice."""
        async with self.opened() as backplane:
            seen = [await backplane.publish("room", b"%d" % number) for number in range(4)]
            async with backplane.subscribe("room", seen[1]) as messages:
                assert await _take(messages, 2) == [(seen[2], b"2"), (seen[3], b"3")]

    async def test_rooms_are_apart(self) -> None:
        """A message is seen in its room alone."""
        async with self.opened() as backplane:
            await backplane.publish("a", b"for a")
            await backplane.publish("a/b", b"for a/b")
            async with backplane.subscribe("a/b", 0) as messages:
                assert [message for _, message in await _take(messages, 1)] == [b"for a/b"]
                await backplane.publish("a", b"for a again")
                await backplane.publish("a/b", b"next")
                assert [message for _, message in await _take(messages, 1)] == [b"next"]

    async def test_all_see_one_order(self) -> None:
        """However many publish at once."""
        seen: list[list[tuple[int, bytes]]] = []
        async with self.opened() as backplane:

            async def watch(started: anyio.Event) -> None:
                async with backplane.subscribe("room", 0) as messages:
                    started.set()
                    seen.append(await _take(messages, 60))

            async def publish(number: int) -> None:
                for each in range(20):
                    await backplane.publish("room", b"%d/%d" % (number, each))

            with anyio.fail_after(WAIT_S):
                async with anyio.create_task_group() as tasks:
                    for _ in range(3):
                        started = anyio.Event()
                        tasks.start_soon(watch, started)
                        await started.wait()
                    for number in range(3):
                        tasks.start_soon(publish, number)
        first, *others = seen
        assert [cursor for cursor, _ in first] == sorted({cursor for cursor, _ in first})
        assert all(other == first for other in others)
        for number in range(3):  # each publisher's own order is kept
            assert [m for _, m in first if m.startswith(b"%d/" % number)] == [b"%d/%d" % (number, e) for e in range(20)]


async def _take(messages: AsyncIterator[tuple[int, bytes]], count: int) -> list[tuple[int, bytes]]:
    taken: list[tuple[int, bytes]] = []
    with anyio.fail_after(WAIT_S):
        while len(taken) < count:
            taken.append(await anext(messages))
    return taken
