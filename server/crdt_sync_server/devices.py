"""Devices that were seen in a room: what is kept of each, and what a client says that it is called.

What a device is called is its own word and opens nothing. No address is kept, and nothing that tells a browser apart.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from urllib.parse import parse_qs

from crdt_sync_server.ports import ConnectRequest

__all__ = ["MAX_OF_ROOM", "MAX_OF_SUBJECT", "TRANSPORTS", "Device", "DeviceKey", "device_of", "merged"]

TRANSPORTS = ("websocket", "polling", "api")
MAX_NAME_CHARACTERS = 100
MAX_OF_SUBJECT = 20
"""How many are kept of one subject in one room, so that made-up names push out nobody else's."""
MAX_OF_ROOM = 2000
"""How many are kept of a room. In both cases those go that were seen last the longest ago."""

DeviceKey = tuple[str, str, str, str]
"""Room, subject, device (empty: it has no name), transport."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device of a subject that was in a room, over one transport. Times are milliseconds since 1970.

    `device` is what it calls itself, else what its token is called; `times` is how often it came.
    """

    room: str
    subject: str
    device: str | None
    transport: str
    first_ms: int
    last_ms: int
    times: int

    @property
    def key(self) -> DeviceKey:
        """What makes two sightings those of one device."""
        return (self.room, self.subject, self.device or "", self.transport)


def merged(one: Device, other: Device) -> Device:
    """Return what is known of a device from two sightings."""
    return replace(
        one,
        first_ms=min(one.first_ms, other.first_ms),
        last_ms=max(one.last_ms, other.last_ms),
        times=one.times + other.times,
    )


def device_of(request: ConnectRequest) -> str | None:
    """Return what a client calls its device: `?device=`, 1 to 100 characters that can be printed; None for all else."""
    try:
        said = parse_qs(request.query, max_num_fields=64).get("device", [""])[0]
    except ValueError:
        return None
    name = unicodedata.normalize("NFC", said).strip()
    return name if 0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable() else None
