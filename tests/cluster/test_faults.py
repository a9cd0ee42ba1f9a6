"""Whatever dies, is cut off or fills up: what was confirmed is in the database, and all devices end up equal.

Each test edits in a burst on devices at all three relays, lets something happen in the middle of it, and waits until
everything that was ever made is everywhere. What a relay had confirmed must be in the database at once, before anybody
could have brought it again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from tests.cluster.installation import Device, Installation, devices, installed, settled

pytestmark = pytest.mark.anyio
BURST = 40


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def installation(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Installation]:
    async with installed(tmp_path_factory.mktemp("cluster")) as everything:
        yield everything


async def burst(opened: list[Device], happen: Callable[[], Awaitable[None]]) -> None:
    """Edit on all devices; when a third of it is made, let it happen, while they go on."""

    async def make(device: Device) -> None:
        await device.make(BURST // 3)
        reached.set()
        await device.make(BURST - BURST // 3)

    reached = anyio.Event()
    async with anyio.create_task_group() as tasks:
        for device in opened:
            tasks.start_soon(make, device)
        await reached.wait()
        await happen()


def check_saved(installation: Installation, room: str, opened: list[Device]) -> None:
    """What was confirmed to a device is in the database."""
    for device in opened:
        device.note()
    saved = {each for device in opened for each in device.saved}
    assert saved <= installation.stored(room)
    assert saved, "nothing was confirmed, so this says nothing"


async def test_without_a_fault_all_see_everything(installation: Installation, tmp_path: Path) -> None:
    async with devices(installation, tmp_path, "calm") as opened:

        async def nothing() -> None:
            return

        await burst(opened, nothing)
        await settled(installation, "calm", opened)


async def test_kill_9_of_a_relay_in_a_burst(installation: Installation, tmp_path: Path) -> None:
    victim, refuge, _ = installation.nodes
    async with devices(installation, tmp_path, "killed") as opened:

        async def kill() -> None:
            await anyio.to_thread.run_sync(victim.relay.kill)
            check_saved(installation, "killed", opened)
            for device in opened[0::3]:
                device.move(refuge)

        try:
            await burst(opened, kill)
            await settled(installation, "killed", opened)
        finally:
            await anyio.to_thread.run_sync(victim.relay.start)


async def test_kill_9_of_redis_in_a_burst(installation: Installation, tmp_path: Path) -> None:
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


async def test_redis_is_flushed_in_a_burst(installation: Installation, tmp_path: Path) -> None:
    async with devices(installation, tmp_path, "flushed") as opened:

        async def flush() -> None:
            for _ in range(5):
                await anyio.to_thread.run_sync(installation.redis, "FLUSHALL")
                await anyio.sleep(0.05)

        await burst(opened, flush)
        await settled(installation, "flushed", opened)


async def test_redis_is_full(installation: Installation, tmp_path: Path) -> None:
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


async def test_kill_9_of_postgres_in_a_burst(installation: Installation, tmp_path: Path) -> None:
    async with devices(installation, tmp_path, "postgres") as opened:

        async def restart() -> None:
            await anyio.to_thread.run_sync(installation.postgres.kill)
            await anyio.to_thread.run_sync(installation.postgres.start)
            check_saved(installation, "postgres", opened)

        await burst(opened, restart)
        await settled(installation, "postgres", opened)


async def test_a_relay_is_cut_off_from_postgres(installation: Installation, tmp_path: Path) -> None:
    """It confirms nothing, and its devices have everything when it is back, or they move."""
    async with devices(installation, tmp_path, "storeless") as opened:

        async def cut() -> None:
            installation.nodes[1].to_store.hang()

        try:
            await burst(opened, cut)
            opened[1].move(installation.nodes[2])
            assert await opened[1].library.synced(60)
            check_saved(installation, "storeless", opened)
        finally:
            installation.nodes[1].to_store.flow()
        await settled(installation, "storeless", opened)


async def test_a_relay_is_cut_off_from_redis(installation: Installation, tmp_path: Path) -> None:
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


async def test_postgres_is_slow(installation: Installation, tmp_path: Path) -> None:
    async with devices(installation, tmp_path, "slow") as opened:

        async def slow() -> None:
            for node in installation.nodes:
                node.to_store.delay_s = 0.05

        try:
            await burst(opened, slow)
            await settled(installation, "slow", opened)
        finally:
            for node in installation.nodes:
                node.to_store.delay_s = 0.0


async def test_half_of_the_devices_move_in_a_burst(installation: Installation, tmp_path: Path) -> None:
    async with devices(installation, tmp_path, "moving") as opened:

        async def move() -> None:
            for number, device in enumerate(opened[:3], start=1):
                device.move(installation.nodes[number % 3])

        await burst(opened, move)
        await settled(installation, "moving", opened)
