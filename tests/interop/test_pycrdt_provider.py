"""pycrdt's own Provider, over a real socket, against our relay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect, aconnect_ws
from pycrdt import Doc, Map, Provider

from tests.relay import RelayProcess

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class SocketChannel:
    """pycrdt's `Channel` on a WebSocket."""

    def __init__(self, session: AsyncWebSocketSession, path: str) -> None:
        self._session = session
        self.path = path

    async def send(self, message: bytes) -> None:
        await self._session.send_bytes(message)

    async def recv(self) -> bytes:
        return await self._session.receive_bytes()

    def __aiter__(self) -> SocketChannel:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except WebSocketDisconnect:
            raise StopAsyncIteration from None


async def test_two_providers_meet_in_our_relay(tmp_path: Path) -> None:
    docs: list[Doc[Any]] = [Doc(), Doc()]
    maps = [doc.get("m", type=Map) for doc in docs]
    changed = anyio.Event()
    subscription = maps[1].observe(lambda event: changed.set())
    with RelayProcess(tmp_path) as relay:
        url = f"{relay.url.replace('ws:', 'http:')}/room"
        maps[0]["before"] = "Grüße 🙂"
        async with (
            httpx.AsyncClient() as client,
            aconnect_ws(url, client) as first,
            Provider(docs[0], SocketChannel(first, "room")) as one,
        ):
            with anyio.fail_after(10):
                await one.synced.wait()
            async with (
                aconnect_ws(url, client) as second,
                Provider(docs[1], SocketChannel(second, "room")) as two,
            ):
                with anyio.fail_after(10):
                    await two.synced.wait()
                    assert maps[1].to_py() == {"before": "Grüße 🙂"}
                    maps[0]["after"] = 1
                    while "after" not in maps[1]:
                        changed = anyio.Event()
                        await changed.wait()
                assert maps[0].to_py() == maps[1].to_py()
    maps[1].unobserve(subscription)
