"""Devices in PostgreSQL: a row each, of rooms that are there. It goes with its room (`PostgresStore.delete`).

Relays note what they have seen every few seconds, many rooms at once, and trim: one after the other, so that no two of
them wait for each other's rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from crdt_sync_server.devices import MAX_OF_ROOM, MAX_OF_SUBJECT, Device, DeviceKey, merged
from crdt_sync_server.stores.postgres_link import Link

__all__ = ["PostgresDevices"]

COLUMNS = "room, subject, device, transport, first_ms, last_ms, times"
DEVICES = f"SELECT {COLUMNS} FROM devices"
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('devices', 3))"
THERE = "SELECT room FROM rooms WHERE room = ANY(%s) AND deleted_ms IS NULL ORDER BY room FOR KEY SHARE"
"""It holds up who deletes one of them, and no append."""
SHARED = """
SELECT room FROM rosters WHERE room = ANY(%s) AND NOT EXISTS (SELECT FROM rooms WHERE rooms.room = rosters.room)
"""
SEEN = f"""
INSERT INTO devices AS known ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, greatest(1, %s))
ON CONFLICT (room, subject, device, transport) DO UPDATE SET
    first_ms = least(known.first_ms, excluded.first_ms), last_ms = greatest(known.last_ms, excluded.last_ms),
    times = known.times + %s
"""
TRIM = """
DELETE FROM devices USING (
    SELECT room, subject, device, transport,
        row_number() OVER (PARTITION BY room, subject ORDER BY last_ms DESC, device, transport) AS of_subject
    FROM devices WHERE room = ANY(%s)
) AS ranked
WHERE (devices.room, devices.subject, devices.device, devices.transport)
    = (ranked.room, ranked.subject, ranked.device, ranked.transport) AND of_subject > %s
"""
TRIM_ROOM = """
DELETE FROM devices USING (
    SELECT room, subject, device, transport,
        row_number() OVER (PARTITION BY room ORDER BY last_ms DESC, subject, device, transport) AS of_room
    FROM devices WHERE room = ANY(%s)
) AS ranked
WHERE (devices.room, devices.subject, devices.device, devices.transport)
    = (ranked.room, ranked.subject, ranked.device, ranked.transport) AND of_room > %s
"""


class PostgresDevices:
    """`keepers.Devices` on the connections of a `PostgresStore`, which opens and closes them."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def seen(self, devices: Sequence[Device]) -> None:
        """Add to what is kept, and let the oldest go, in one transaction."""
        once: dict[DeviceKey, Device] = {}
        for each in devices:
            once[each.key] = merged(once[each.key], each) if each.key in once else each
        names = sorted({each.room for each in devices})
        if not names:
            return
        async with self._link.transaction() as session:
            await session.execute(LOCK)
            there = {room for query in (THERE, SHARED) for (room,) in await session.execute(query, (names,))}
            rows = [(*_row(each), each.times) for _, each in sorted(once.items()) if each.room in there]
            await session.many(SEEN, rows)
            await session.execute(TRIM, (sorted(there), MAX_OF_SUBJECT))
            await session.execute(TRIM_ROOM, (sorted(there), MAX_OF_ROOM))

    async def listed(self, *, room: str | None = None, subject: str | None = None) -> Sequence[Device]:
        """Return the devices of a room, of a subject, or all."""
        given = [(name, value) for name, value in (("room", room), ("subject", subject)) if value is not None]
        where = " AND ".join(f"{name} = %s" for name, _ in given) or "true"
        query = f"{DEVICES} WHERE {where} ORDER BY room, subject, device, transport"
        found = await self._link.read(query, [value for _, value in given])
        return [Device(room, subject, device or None, *rest) for room, subject, device, *rest in found]

    async def forget(self, *, room: str | None = None, subject: str | None = None) -> None:
        """Forget the devices of a room, or of a subject."""
        async with self._link.transaction() as session:
            await session.execute(LOCK)
            await session.execute("DELETE FROM devices WHERE room = %s OR subject = %s", (room, subject))


def _row(each: Device) -> tuple[str | int, ...]:
    return (each.room, each.subject, each.device or "", each.transport, each.first_ms, each.last_ms, each.times)
