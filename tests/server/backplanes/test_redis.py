"""The backplane on a real server: the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from crdt_sync_server.backplane import Backplane
from crdt_sync_server.backplanes.redis import RedisBackplane
from crdt_sync_server.conformance_backplane import BackplaneContract, BackplaneEngine
from tests.redis_server import RedisServer

pytestmark = pytest.mark.anyio


class RedisEngine:
    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._opened: list[RedisBackplane] = []

    async def open(self) -> Backplane:
        self._opened.append(RedisBackplane(self._server.url))
        return self._opened[-1]

    async def stop(self) -> None:
        self._server.kill()

    async def start(self) -> None:
        self._server.start()

    async def close(self) -> None:
        for each in self._opened:
            await each.close()


class TestRedisBackplane(BackplaneContract):
    @pytest.fixture(autouse=True)
    def server(self, tmp_path: Path):
        with RedisServer(tmp_path) as self._server:
            yield

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[BackplaneEngine]:
        engine = RedisEngine(self._server)
        try:
            yield engine
        finally:
            await engine.close()
