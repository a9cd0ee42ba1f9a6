"""Who was where, noted beside the rooms: marks in memory, which go into the store together, once a minute.

So neither a connect nor an edit waits for this, and a crash loses a minute of it. A device that stays connected is
marked now and then, or a relay that is killed would know of it from when it came alone.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable

import anyio

from crdt_sync_server.delivery import Peer
from crdt_sync_server.devices import MAX_OF_SUBJECT, Device, DeviceKey, merged
from crdt_sync_server.errors import StoreError
from crdt_sync_server.keepers import Devices, Tokens
from crdt_sync_server.logs import tell
from crdt_sync_server.rooms import group_of

__all__ = ["Sightings"]

FLUSH_EVERY_S = 60.0
REFRESH_EVERY_S = 600.0
MAX_MARKS = 65_536
"""Of devices; at half of it they are stored at once, and what is more is passed over."""
BATCH = 1000
"""Devices of one transaction: edits wait for no more."""


class Sightings:
    """The marks. Nothing is marked while there is no keeper of `devices`, nor of who comes without a name."""

    def __init__(self, now: Callable[[], float], wall: Callable[[], float]) -> None:
        """`wall` is the wall clock, in seconds since 1970."""
        self.devices: Devices | None = None
        self.tokens: Tokens | None = None
        self._now = now
        self._wall = wall
        self._marks: dict[DeviceKey, Device] = {}
        self._of_subject: Counter[tuple[str, str]] = Counter()  # room and subject → how many marks
        self._used: dict[str, int] = {}
        self._storing = anyio.Lock()
        self._flush_s = now() + FLUSH_EVERY_S
        self._refresh_s = now() + REFRESH_EVERY_S

    def came(self, room: str, peer: Peer) -> None:
        """Mark that `peer` has come into a room."""
        self._mark(room, peer, 1)

    def stays(self, room: str, peer: Peer) -> None:
        """Mark that `peer` is in a room, or was until now."""
        self._mark(room, peer, 0)

    def used(self, token_id: str) -> None:
        """Mark that somebody has come with a token."""
        if self.tokens is not None:
            self._used[token_id] = self._wall_ms()

    def is_due(self) -> bool:
        """Say whether it is time to store what is marked."""
        return len(self._marks) >= MAX_MARKS // 2 or self._now() >= self._flush_s

    def refresh(self, present: Iterable[tuple[str, Peer]]) -> None:
        """Mark who is there, if that was not done for a while."""
        if self._now() >= self._refresh_s:
            self._refresh_s = self._now() + REFRESH_EVERY_S
            for room, peer in present:
                self.stays(room, peer)

    async def flush(self) -> None:
        """Store what is marked. What could not be stored stays marked, and may then be counted twice."""
        self._flush_s = self._now() + FLUSH_EVERY_S
        async with self._storing:
            marks, self._marks = list(self._marks.values()), {}
            self._of_subject.clear()
            used, self._used = self._used, {}
            try:
                while marks and self.devices is not None:
                    await self.devices.seen(marks[:BATCH])
                    del marks[:BATCH]
                if used and self.tokens is not None:
                    await self.tokens.used(used)
                    used = {}
            except StoreError as error:
                tell("devices not noted", logging.WARNING, reason=str(error))
            finally:
                for each in marks:
                    self._put(each)
                self._used = {**used, **self._used}

    async def listed(self, *, room: str | None = None, subject: str | None = None) -> list[Device]:
        """Return the devices of a room or a subject by room, subject, name and transport. Raises `StoreError`."""
        if self.devices is None:
            return []
        async with self._storing:  # so that each mark is stored or is still here
            found = {each.key: each for each in await self.devices.listed(room=room, subject=subject)}
            for key, each in self._marks.items():
                if room in (None, each.room) and subject in (None, each.subject):
                    found[key] = merged(found[key], each) if key in found else each
            return [found[key] for key in sorted(found)]

    async def forget(self, *, room: str | None = None, subject: str | None = None) -> None:
        """Forget the devices of a room, or of a subject. Raises `StoreError`."""
        async with self._storing:
            kept = [each for each in self._marks.values() if room != each.room and subject != each.subject]
            self._marks.clear()
            self._of_subject.clear()
            for each in kept:
                self._put(each)
            if self.devices is not None:
                await self.devices.forget(room=room, subject=subject)

    def _mark(self, room: str, peer: Peer, times: int) -> None:
        if self.devices is None or peer.subject is None or group_of(room) is not None:
            return
        now_ms = self._wall_ms()
        self._put(Device(room, peer.subject, peer.grant.device, peer.transport, now_ms, now_ms, times))

    def _put(self, each: Device) -> None:
        known, whose = self._marks.get(each.key), (each.room, each.subject)
        if known is not None:
            self._marks[each.key] = merged(known, each)
        elif len(self._marks) < MAX_MARKS and self._of_subject[whose] < MAX_OF_SUBJECT:  # who makes up names is bounded
            self._marks[each.key] = each
            self._of_subject[whose] += 1

    def _wall_ms(self) -> int:
        return int(self._wall() * 1000)
