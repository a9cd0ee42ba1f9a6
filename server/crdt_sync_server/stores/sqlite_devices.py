"""Devices in the relay's file: a row each, of rooms that are there. It goes with its room (`sqlite_rows.bury`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from crdt_sync_server.devices import MAX_OF_ROOM, MAX_OF_SUBJECT, Device
from crdt_sync_server.stores.sqlite_file import transaction
from crdt_sync_server.stores.sqlite_reading import Readers
from crdt_sync_server.stores.sqlite_writing import Writer

__all__ = ["SqliteDevices", "keep_devices"]

COLUMNS = "room, subject, device, transport, first_ms, last_ms, times"
DEVICES = f"SELECT {COLUMNS} FROM devices"
ADD = f"INSERT INTO devices ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
SEEN = f"""
INSERT INTO devices ({COLUMNS}) SELECT ?1, ?2, ?3, ?4, ?5, ?6, max(1, ?7)
WHERE NOT EXISTS (SELECT 1 FROM rooms WHERE room = ?1 AND deleted_ms IS NOT NULL)
AND (EXISTS (SELECT 1 FROM rooms WHERE room = ?1) OR EXISTS (SELECT 1 FROM rosters WHERE room = ?1))
ON CONFLICT DO UPDATE SET
    first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms), times = times + ?7
"""
"""Of a room in which nothing is stored nothing is kept: names of rooms cost who makes them up nothing."""
KEEP_OF_SUBJECT = """
DELETE FROM devices WHERE room = ?1 AND subject = ?2 AND (device, transport) NOT IN (
    SELECT device, transport FROM devices WHERE room = ?1 AND subject = ?2
    ORDER BY last_ms DESC, device, transport LIMIT ?3
)
"""
KEEP_OF_ROOM = """
DELETE FROM devices WHERE room = ?1 AND (subject, device, transport) NOT IN (
    SELECT subject, device, transport FROM devices WHERE room = ?1
    ORDER BY last_ms DESC, subject, device, transport LIMIT ?2
)
"""


class SqliteDevices:
    """`keepers.Devices` on the threads of a `SqliteStore`, which opens and closes the file."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def seen(self, devices: Sequence[Device]) -> None:
        """Add to what is kept, and let the oldest go, in one transaction."""

        def run(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.executemany(SEEN, map(_row, devices))
                for room, subject in {(each.room, each.subject) for each in devices}:
                    if _count(connection, "room = ? AND subject = ?", room, subject) > MAX_OF_SUBJECT:
                        connection.execute(KEEP_OF_SUBJECT, (room, subject, MAX_OF_SUBJECT))
                for room in {each.room for each in devices}:
                    if _count(connection, "room = ?", room) > MAX_OF_ROOM:
                        connection.execute(KEEP_OF_ROOM, (room, MAX_OF_ROOM))

        await self._writer.call(run)

    async def listed(self, *, room: str | None = None, subject: str | None = None) -> Sequence[Device]:
        """Return the devices of a room, of a subject, or all."""
        given = [(name, value) for name, value in (("room", room), ("subject", subject)) if value is not None]
        where = " AND ".join(f"{name} = ?" for name, _ in given) or "1"
        query = f"{DEVICES} WHERE {where} ORDER BY room, subject, device, transport"
        values = [value for _, value in given]
        rows = await self._readers.read(lambda connection: connection.execute(query, values).fetchall())
        return [Device(room, subject, device or None, *rest) for room, subject, device, *rest in rows]

    async def forget(self, *, room: str | None = None, subject: str | None = None) -> None:
        """Forget the devices of a room, or of a subject."""

        def run(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.execute("DELETE FROM devices WHERE room = ? OR subject = ?", (room, subject))

        await self._writer.call(run)


def keep_devices(copy: sqlite3.Connection, old: sqlite3.Connection) -> None:
    """Give `copy`, within its transaction, the devices of `old` in place of its own: no deleted user comes back."""
    copy.execute("DELETE FROM devices")
    copy.executemany(ADD, old.execute(DEVICES).fetchall())


def _count(connection: sqlite3.Connection, where: str, *values: str) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM devices WHERE {where}", values).fetchone()
    return int(count)


def _row(each: Device) -> tuple[str | int, ...]:
    return (each.room, each.subject, each.device or "", each.transport, each.first_ms, each.last_ms, each.times)
