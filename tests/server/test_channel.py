"""The relay behind pycrdt's channels: where pycrdt-websocket's own server has lost data or stopped, ours goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from pycrdt import Doc, Map, Provider

from crdt_sync_server.channel import ChannelServer
from crdt_sync_server.host import Host
from crdt_sync_server.ports import Stored
from crdt_sync_server.stores.memory import MemoryStore

pytestmark = pytest.mark.anyio
ROOM = "/notes/ada"


class Pipe:
    """A client's end and the relay's end of a channel, in memory."""

    def __init__(self, path: str = ROOM, *, sends_fail: bool = False) -> None:
        self.path = path
        self._sends_fail = sends_fail
        self._to_relay, self._at_relay = anyio.create_memory_object_stream[bytes](1000)
        self._to_client, self._at_client = anyio.create_memory_object_stream[bytes](1000)

    async def send(self, message: bytes) -> None:
        if self._sends_fail:
            raise ConnectionResetError("this client's socket is broken")
        await self._to_client.send(message)

    async def recv(self) -> bytes:
        try:
            return await self._at_relay.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    def client(self) -> Client:
        return Client(self)

    def close(self) -> None:
        for stream in (self._to_relay, self._at_relay, self._to_client, self._at_client):
            stream.close()

    def hang_up(self) -> None:
        self._to_relay.close()


class Client:
    """The other end, as pycrdt's `Provider` wants it."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self.path = pipe.path

    async def send(self, message: bytes) -> None:
        await self._pipe._to_relay.send(message)

    async def recv(self) -> bytes:
        return await self._pipe._at_client.receive()

    def __aiter__(self) -> Client:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            raise StopAsyncIteration from None


@asynccontextmanager
async def serving(store: MemoryStore) -> AsyncIterator[ChannelServer]:
    host = Host(store, now=anyio.current_time)
    async with host.running():
        yield ChannelServer(host, max_message_bytes=2**20)
        await host.stop()


async def until(changed: Doc[Any], holds: Any) -> None:
    news = anyio.Event()

    def wake(event: object) -> None:
        news.set()

    subscription = changed.observe(wake)
    with anyio.fail_after(10):
        while not holds():
            await news.wait()
            news = anyio.Event()
    changed.unobserve(subscription)


async def test_a_client_whose_sends_fail_stops_nobody_else() -> None:
    """In pycrdt-websocket one failing send ends the room's task group, and with it the room."""
    docs: list[Doc[Any]] = [Doc(), Doc()]
    maps = [doc.get("m", type=Map) for doc in docs]
    pipes = [Pipe(), Pipe()]
    broken = Pipe(sends_fail=True)
    async with serving(MemoryStore()) as relay, anyio.create_task_group() as tasks:
        await relay.serve(broken)  # returns: its first send has failed
        for pipe in pipes:
            tasks.start_soon(relay.serve, pipe)
        async with Provider(docs[0], pipes[0].client()), Provider(docs[1], pipes[1].client()):
            maps[0]["k"] = "Grüße 🙂"
            await until(docs[1], lambda: maps[1].to_py() == {"k": "Grüße 🙂"})
        for pipe in pipes:
            pipe.hang_up()
    for pipe in (*pipes, broken):
        pipe.close()


async def test_all_who_ask_for_a_room_at_once_get_in() -> None:
    """Of four that asked pycrdt-websocket at once for a room that is being loaded, three hung."""

    class SlowStore(MemoryStore):
        loads = 0

        async def load(self, room: str) -> Stored:
            self.loads += 1
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            return await super().load(room)

    store = SlowStore()
    pipes = [Pipe() for _ in range(4)]
    async with serving(store) as relay, anyio.create_task_group() as tasks:
        for pipe in pipes:
            tasks.start_soon(relay.serve, pipe)
        for pipe in pipes:
            doc: Doc[Any] = Doc()
            async with Provider(doc, pipe.client()) as provider:
                with anyio.fail_after(10):
                    await provider.synced.wait()
            pipe.hang_up()
    assert store.loads == 1
    for pipe in pipes:
        pipe.close()


async def test_a_path_that_names_no_room_ends_at_once() -> None:
    pipe = Pipe("/a//b")
    async with serving(MemoryStore()) as relay:
        with anyio.fail_after(10):
            await relay.serve(pipe)
    pipe.close()
