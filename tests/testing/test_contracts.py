"""The contracts, run on the adapters that ship with the kit and on the real ones."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from crdt_sync.storage.database import open_database
from crdt_sync.storage.log import Log
from crdt_sync.sync.websocket import WebSocketConnect
from crdt_sync.testing import MemoryLog, UpdateLog
from crdt_sync.testing.contracts import (
    ChannelContract,
    UpdateLogContract,
    memory_channels,
)
from tests.testing.served import served


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class TestMemoryLog(UpdateLogContract):
    keeps = False

    @contextmanager
    def opened(self, folder: Path) -> Iterator[UpdateLog]:
        yield MemoryLog()


class TestTheLibraryLog(UpdateLogContract):
    """The log of a library's file, in SQLite."""

    @contextmanager
    def opened(self, folder: Path) -> Iterator[UpdateLog]:
        connection: sqlite3.Connection = open_database(folder / "library", "normal").connection
        with closing(connection):
            connection.execute("BEGIN IMMEDIATE")
            yield Log(connection)
            connection.execute("COMMIT")


@pytest.mark.anyio
class TestMemoryChannels(ChannelContract):
    def connected(self) -> AbstractAsyncContextManager[tuple[Any, Any]]:
        return memory_channels()

    async def close(self, end: Any) -> None:
        await end.aclose()


class ServerEnd:
    """The other end of a real WebSocket: what an ASGI application has in its hands."""

    def __init__(self, receive: Any, send: Any) -> None:
        self._receive = receive
        self._send = send
        self.done = anyio.Event()

    async def send(self, frame: bytes) -> None:
        await self._send({"type": "websocket.send", "bytes": frame})

    async def receive(self) -> bytes:
        event = await self._receive()
        return bytes(event["bytes"])

    async def aclose(self) -> None:
        await self._send({"type": "websocket.close", "code": 1001})


@pytest.mark.anyio
class TestTheWebSocket(ChannelContract):
    """The engine's own transport, over a socket and a real server."""

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[Any, Any]]:
        ends: list[ServerEnd] = []
        arrived = anyio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await receive()
                await send({"type": "lifespan.startup.complete"})
                await receive()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await receive()
            await send({"type": "websocket.accept"})
            ends.append(ServerEnd(receive, send))
            arrived.set()
            await ends[0].done.wait()

        async with (
            served(app) as port,
            httpx.AsyncClient() as client,
            WebSocketConnect(f"ws://127.0.0.1:{port}", "room", client)(None) as transport,
        ):
            await arrived.wait()
            yield ends[0], transport
            ends[0].done.set()

    async def close(self, end: Any) -> None:
        await end.aclose()
