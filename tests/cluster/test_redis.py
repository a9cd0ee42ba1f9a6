"""Three relays on PostgreSQL that meet at Redis, and what can happen to any of them."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from tests.cluster.faults import Faults, burst, check_saved
from tests.cluster.installation import Installation, devices, settled

pytestmark = pytest.mark.anyio
BACKPLANE = "redis"


class TestOnRedis(Faults):
    """All of it, and the faults of Redis: it has nothing that the database lacks."""

    async def test_kill_9_of_redis_in_a_burst(self, installation: Installation, tmp_path: Path) -> None:
        async with devices(installation, tmp_path, "redis") as opened:

            async def kill() -> None:
                installation.redis.kill()

            try:
                await burst(opened, kill)
                for device in opened:
                    assert await device.library.synced(30)
                check_saved(installation, "redis", opened)
            finally:
                await anyio.to_thread.run_sync(installation.redis.start)
            await settled(installation, "redis", opened)

    async def test_redis_is_flushed_in_a_burst(self, installation: Installation, tmp_path: Path) -> None:
        async with devices(installation, tmp_path, "flushed") as opened:

            async def flush() -> None:
                for _ in range(5):
                    await anyio.to_thread.run_sync(installation.redis, "FLUSHALL")
                    await anyio.sleep(0.05)

            await burst(opened, flush)
            await settled(installation, "flushed", opened)

    async def test_redis_is_full(self, installation: Installation, tmp_path: Path) -> None:
        async with devices(installation, tmp_path, "full") as opened:

            async def fill() -> None:
                await anyio.to_thread.run_sync(installation.redis, "CONFIG", "SET", "maxmemory", "1")

            try:
                await burst(opened, fill)
                for device in opened:
                    assert await device.library.synced(30)
                check_saved(installation, "full", opened)
            finally:
                await anyio.to_thread.run_sync(installation.redis, "CONFIG", "SET", "maxmemory", "0")
            await settled(installation, "full", opened)

    async def test_a_relay_is_cut_off_from_redis(self, installation: Installation, tmp_path: Path) -> None:
        async with devices(installation, tmp_path, "deaf") as opened:

            async def cut() -> None:
                installation.nodes[1].to_backplane.hang()

            try:
                await burst(opened, cut)
                for device in opened:
                    assert await device.library.synced(30)
                check_saved(installation, "deaf", opened)
            finally:
                installation.nodes[1].to_backplane.flow()
                installation.nodes[1].to_backplane.cut()
            await settled(installation, "deaf", opened)
