"""What every keeper of devices must do, as a test class: `keepers.Devices`.

Subclass it, give a block in which the adapter of a folder is open and knows the rooms `ROOMS`, and run pytest.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

from crdt_sync_server.devices import MAX_OF_ROOM, MAX_OF_SUBJECT, Device
from crdt_sync_server.keepers import Devices

__all__ = ["ROOMS", "DevicesContract"]

ROOMS = ("g/one", "g/other")
READER = Device("g/one", "ada", "e-reader", "websocket", 10, 20, 1)


class DevicesContract:
    """The rules of `keepers.Devices`."""

    keeps = True
    """False for an adapter that forgets with its process."""

    def opened(self, folder: Path) -> AbstractAsyncContextManager[Devices]:
        """Return a block in which the devices of `folder` can be asked for; `ROOMS` are there."""
        raise NotImplementedError

    async def test_sightings_of_a_device_become_one(self, tmp_path: Path) -> None:
        """In whatever order they come, over a restart too; another name or transport is another device."""
        others = [
            replace(READER, device=None),
            replace(READER, transport="polling"),
            replace(READER, subject="Zoë 🐢"),
            replace(READER, room="g/other"),
        ]
        every = sorted([replace(READER, first_ms=5, last_ms=40, times=4), *others], key=lambda each: each.key)
        async with self.opened(tmp_path) as devices:
            await devices.seen([READER, *others])
            await devices.seen([replace(READER, first_ms=30, last_ms=40, times=3)])
            await devices.seen([replace(READER, first_ms=5, last_ms=6, times=0)])
            await devices.seen([])
            assert list(await devices.listed()) == every
            assert list(await devices.listed(room="g/other")) == [others[3]]
            assert list(await devices.listed(subject="Zoë 🐢")) == [others[2]]
            assert len(await devices.listed(room="g/one", subject="ada")) == 3
        if self.keeps:
            async with self.opened(tmp_path) as devices:
                assert list(await devices.listed()) == every

    async def test_who_was_there_before_it_was_kept_has_come_once(self, tmp_path: Path) -> None:
        """The room was made while the device was in it, and what was seen of that before is not known."""
        async with self.opened(tmp_path) as devices:
            await devices.seen([replace(READER, times=0)])
            assert list(await devices.listed()) == [READER]

    async def test_made_up_names_push_out_none_but_one_s_own(self, tmp_path: Path) -> None:
        """Of one subject so many stay, those that were seen last."""
        mine = [replace(READER, device=f"{number:03d}", last_ms=100 + number) for number in range(MAX_OF_SUBJECT + 5)]
        bens = replace(READER, subject="ben")
        async with self.opened(tmp_path) as devices:
            await devices.seen([bens])
            await self._in_batches(devices, mine)
            assert list(await devices.listed()) == [*mine[5:], bens]

    async def test_of_a_room_the_oldest_leave(self, tmp_path: Path) -> None:
        """Of so many subjects that each has one; other rooms have their own bound."""
        crowd = [replace(READER, subject=f"{number:05d}", last_ms=100 + number) for number in range(MAX_OF_ROOM + 2)]
        other = replace(READER, room="g/other")
        async with self.opened(tmp_path) as devices:
            await devices.seen([other])
            await devices.seen(crowd)
            assert list(await devices.listed(room="g/one")) == crowd[2:]
            assert list(await devices.listed(room="g/other")) == [other]

    async def test_what_is_forgotten_is_gone(self, tmp_path: Path) -> None:
        """Of a room, or of a subject in all rooms; and nothing else."""
        bens, elsewhere = replace(READER, subject="ben"), replace(READER, room="g/other")
        async with self.opened(tmp_path) as devices:
            await devices.seen([READER, bens, elsewhere])
            await devices.forget(subject="ben")
            assert list(await devices.listed()) == [READER, elsewhere]
            await devices.forget(room="g/one")
            assert list(await devices.listed()) == [elsewhere]

    async def _in_batches(self, devices: Devices, every: Sequence[Device]) -> None:
        for number in range(0, len(every), 7):
            await devices.seen(every[number : number + 7])
