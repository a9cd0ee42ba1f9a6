"""Devices that are forgotten with the process: for tests, and for relays whose store forgets too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crdt_sync_server.devices import MAX_OF_ROOM, MAX_OF_SUBJECT, Device, DeviceKey, merged

__all__ = ["MemoryDevices"]


class MemoryDevices:
    """`keepers.Devices` in a dictionary."""

    def __init__(self) -> None:
        self._devices: dict[DeviceKey, Device] = {}

    async def seen(self, devices: Sequence[Device]) -> None:
        """Add to what is kept, and let the oldest go."""
        for each in devices:
            known = self._devices.get(each.key)
            self._devices[each.key] = replace(each, times=max(1, each.times)) if known is None else merged(known, each)
        for room in {each.room for each in devices}:
            of_room = await self.listed(room=room)
            for subject in {each.subject for each in of_room}:
                self._keep([each for each in of_room if each.subject == subject], MAX_OF_SUBJECT)
            self._keep(await self.listed(room=room), MAX_OF_ROOM)

    async def listed(self, *, room: str | None = None, subject: str | None = None) -> Sequence[Device]:
        """Return the devices of a room, of a subject, or all."""
        every = [self._devices[key] for key in sorted(self._devices)]
        return [each for each in every if room in (None, each.room) and subject in (None, each.subject)]

    async def forget(self, *, room: str | None = None, subject: str | None = None) -> None:
        """Forget the devices of a room, or of a subject."""
        kept = self._devices.items()
        self._devices = {key: each for key, each in kept if room != each.room and subject != each.subject}

    def _keep(self, devices: Sequence[Device], most: int) -> None:
        for each in sorted(devices, key=lambda each: (-each.last_ms, each.key))[most:]:
            del self._devices[each.key]
