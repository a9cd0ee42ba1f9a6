"""The channel's contract on pycrdt-websocket's two adapters, each over a real socket: what our relay can be hosted by.

Both tell the end of a connection once. Who asks again waits for ever: at hypercorn and at httpx-ws, as neither adapter
remembers the end. So whatever speaks through them must not ask twice, and the relay does not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from httpx_ws import AsyncWebSocketSession, HTTPXWSException, aconnect_ws
from pycrdt import Channel
from pycrdt.websocket import ASGIServer
from pycrdt.websocket.asgi_server import ASGIWebsocket
from pycrdt.websocket.websocket import HttpxWebsocket

from crdt_sync.testing.contracts import ChannelContract
from tests.testing.served import served

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Server:
    """Stands where `ASGIServer` wants a server: keeps the channel that it is given open until it is left."""

    def __init__(self) -> None:
        self.channel: ASGIWebsocket | None = None
        self.arrived, self.left = anyio.Event(), anyio.Event()

    async def serve(self, channel: ASGIWebsocket) -> None:
        self.channel = channel
        self.arrived.set()
        await self.left.wait()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Server, HttpxWebsocket, AsyncWebSocketSession]]:
    server = Server()
    async with served(ASGIServer(server)) as port, httpx.AsyncClient() as client:  # type: ignore[arg-type]
        session: AsyncWebSocketSession
        async with aconnect_ws(f"http://127.0.0.1:{port}/notes/ada", client) as session:
            await server.arrived.wait()
            yield server, HttpxWebsocket(session, "notes/ada"), session
            server.left.set()


class PycrdtChannelContract(ChannelContract):
    """pycrdt calls it `recv`."""

    tells_end_again = False

    async def receive(self, end: Channel) -> bytes:
        return await end.recv()

    async def test_who_asks_again_after_the_end_waits(self) -> None:
        """When this fails, pycrdt-websocket has mended it, and `tells_end_again` can go."""
        async with self.connected() as (one, other):
            await self.close(one)
            with anyio.fail_after(10), pytest.raises(self.lost):
                await self.receive(other)
            with anyio.move_on_after(0.2) as waits:
                await self.receive(other)
            assert waits.cancelled_caught


class TestTheClientsEnd(PycrdtChannelContract):
    """`HttpxWebsocket` hears of what the server does."""

    lost = HTTPXWSException

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[Any, Any]]:
        async with connected() as (self.server, client, _):
            yield self.server.channel, client

    async def close(self, end: Any) -> None:
        """`ASGIWebsocket` cannot close: the connection ends when `serve` returns."""
        self.server.left.set()


class TestTheServersEnd(PycrdtChannelContract):
    """`ASGIWebsocket` hears of what a client does; our relay is behind this one when `ASGIServer` hosts it."""

    lost = StopAsyncIteration

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[Any, Any]]:
        async with connected() as (server, client, self.session):
            assert server.channel is not None
            assert server.channel.path == "/notes/ada"
            yield client, server.channel

    async def close(self, end: Any) -> None:
        """`HttpxWebsocket` cannot close either; its session can."""
        await self.session.close()
