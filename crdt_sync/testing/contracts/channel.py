"""The contract of a channel: whole messages, in order, and a clear end: our `Transport`, pycrdt's `Channel`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream

from crdt_sync.errors import ConnectionLost

__all__ = ["Channel", "ChannelContract", "memory_channels"]

WAIT_S = 10


class Channel(Protocol):
    """One end of a connection. Both methods raise `ConnectionLost` once it has ended."""

    async def send(self, frame: bytes) -> None:
        """Send one message."""

    async def receive(self) -> bytes:
        """Return the next message."""


class ChannelContract:
    """The rules of `Channel`. Where yours has another name for `receive` or another error, override those two."""

    lost: type[BaseException] | tuple[type[BaseException], ...] = ConnectionLost
    tells_end_again = True
    """False for a channel that tells its end once: you must not ask it again."""

    def connected(self) -> AbstractAsyncContextManager[tuple[Any, Any]]:
        """Return a block in which two ends are connected. Leaving it closes both."""
        raise NotImplementedError

    async def close(self, end: Any) -> None:
        """Close one end."""
        raise NotImplementedError

    async def receive(self, end: Any) -> bytes:
        """Return the next message of one end."""
        return bytes(await end.receive())

    async def test_messages_arrive_whole_and_in_order_both_ways(self) -> None:
        """Small, empty-looking and large ones; neither direction waits for the other."""
        messages = [b"\x00\x00\x01\x00", b"\x00", bytes(range(256)) * 1000, *(b"%d" % number for number in range(50))]
        async with self.connected() as (one, other):
            with anyio.fail_after(WAIT_S):
                async with anyio.create_task_group() as tasks:
                    for source in (one, other):
                        tasks.start_soon(self._send_all, source, messages)
                    for target in (one, other):
                        assert [await self.receive(target) for _ in messages] == messages

    async def test_what_was_sent_before_the_close_arrives(self) -> None:
        """And then the end is told, each time that one asks."""
        async with self.connected() as (one, other):
            with anyio.fail_after(WAIT_S):
                await one.send(b"last words")
                await self.close(one)
                assert await self.receive(other) == b"last words"
                for _ in range(2 if self.tells_end_again else 1):
                    try:
                        await self.receive(other)
                    except self.lost:
                        continue
                    raise AssertionError("a closed connection gave a message")

    async def test_a_receiver_that_waits_is_told_of_the_close(self) -> None:
        """Nobody waits for ever for a peer that is gone."""
        async with self.connected() as (one, other):
            with anyio.fail_after(WAIT_S):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self.close, one)
                    try:
                        await self.receive(other)
                    except self.lost:
                        return
            raise AssertionError("a closed connection gave a message")

    async def _send_all(self, end: Any, messages: list[bytes]) -> None:
        for message in messages:
            await end.send(message)


class _MemoryChannel:
    name = "memory"

    def __init__(self, send: ObjectSendStream[bytes], receive: ObjectReceiveStream[bytes]) -> None:
        self._send = send
        self._receive = receive

    async def send(self, frame: bytes) -> None:
        try:
            await self._send.send(frame)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise ConnectionLost("the channel is closed") from error

    async def receive(self) -> bytes:
        try:
            return await self._receive.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError) as error:
            raise ConnectionLost("the channel is closed") from error

    async def aclose(self) -> None:
        await self._send.aclose()
        await self._receive.aclose()


@asynccontextmanager
async def memory_channels(buffered: int = 16) -> AsyncIterator[tuple[_MemoryChannel, _MemoryChannel]]:
    """Connect two ends in memory, for as long as the block lasts; each may have `buffered` messages on the way."""
    to_one = anyio.create_memory_object_stream[bytes](buffered)
    to_other = anyio.create_memory_object_stream[bytes](buffered)
    one, other = _MemoryChannel(to_other[0], to_one[1]), _MemoryChannel(to_one[0], to_other[1])
    try:
        yield one, other
    finally:
        await one.aclose()
        await other.aclose()
