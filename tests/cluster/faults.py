"""What happens to relays whatever their backplane is, as a class of tests.

Each edits in a burst on devices at all three relays, lets something happen in the middle of it, and waits until
everything that was ever made is everywhere. What a relay had confirmed must be in the database at once, before anybody
could have brought it again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import anyio.to_thread

from tests.cluster.installation import Device, Installation, devices, settled

BURST = 120


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


class Faults:
    """Faults of relays, of the database and of the ways between."""

    async def test_without_a_fault_all_see_everything(self, installation: Installation, tmp_path: Path) -> None:
        async with devices(installation, tmp_path, "calm") as opened:
            await burst(opened, _nothing)
            await settled(installation, "calm", opened)

    async def test_kill_9_of_a_relay_in_a_burst(self, installation: Installation, tmp_path: Path) -> None:
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

    async def test_kill_9_of_postgres_in_a_burst(self, installation: Installation, tmp_path: Path) -> None:
        async with devices(installation, tmp_path, "postgres") as opened:

            async def restart() -> None:
                await anyio.to_thread.run_sync(installation.postgres.kill)
                await anyio.to_thread.run_sync(installation.postgres.start)
                check_saved(installation, "postgres", opened)

            await burst(opened, restart)
            await settled(installation, "postgres", opened)

    async def test_a_relay_is_cut_off_from_postgres(self, installation: Installation, tmp_path: Path) -> None:
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

    async def test_postgres_is_slow(self, installation: Installation, tmp_path: Path) -> None:
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

    async def test_half_of_the_devices_move_in_a_burst(self, installation: Installation, tmp_path: Path) -> None:
        async with devices(installation, tmp_path, "moving") as opened:

            async def move() -> None:
                for number, device in enumerate(opened[:3], start=1):
                    device.move(installation.nodes[number % 3])

            await burst(opened, move)
            await settled(installation, "moving", opened)

    async def test_two_relays_load_one_room_at_once(self, installation: Installation, tmp_path: Path) -> None:
        """Both have all of it, and what both are sent at once."""
        async with devices(installation, tmp_path, "cold", count=1) as (first,):
            await first.make(1500)
            assert await first.library.synced(60)
        before = set(first.made)
        async with anyio.create_task_group() as tasks:  # nobody is there, so it leaves the memory
            for node in installation.nodes:
                tasks.start_soon(anyio.to_thread.run_sync, node.relay.restart)
        async with devices(installation, tmp_path / "new", "cold", count=4) as opened:
            await burst(opened, _nothing)
            opened[0].made += first.made
            await settled(installation, "cold", opened)
        assert before <= installation.stored("cold")


async def _nothing() -> None:
    """Let nothing happen."""
