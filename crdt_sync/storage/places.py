"""Reading positions in a library's file: those of the document, projected, and this device's own, which runs ahead.

A page is turned every half minute. Each place is durable here at once, and goes into the document now and then
(`unwritten`), as each value that is overwritten there leaves a trace for ever. The caller holds the transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from crdt_sync.document import schema
from crdt_sync.document.anchors import Anchor
from crdt_sync.document.library_document import LibraryDocument
from crdt_sync.document.positions import ReadingPosition

__all__ = ["Device", "OwnPlaces", "Places", "ReadingDevice"]


@dataclass(frozen=True, slots=True)
class Device:
    """This device in the library: a random id of 16 hex digits, and what the person calls it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ReadingDevice:
    """A device that reads: its id, the name it gave itself last, in how many works it reads, and when it last did.

    The time is milliseconds since 1970, by its clock. `here` is True for this device.
    """

    id: str
    name: str
    works: int
    last_at_ms: int
    here: bool = False


class Places:
    """The projection of all devices' positions."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def project(self, document: LibraryDocument, keys: Iterable[str]) -> None:
        """Bring the positions under these keys to what the document says."""
        for key in keys:
            device, _, work = key.partition("/")
            value = document.position(key)
            if not isinstance(value, dict) or not device or not work:
                self._connection.execute("DELETE FROM positions WHERE device = ? AND work = ?", (device, work))
                continue
            try:
                text = json.dumps(value, ensure_ascii=False, sort_keys=True)
            except (TypeError, ValueError):  # a stranger may put anything there
                text = "{}"
            self._connection.execute("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", (device, work, text))

    def rebuild(self, document: LibraryDocument) -> None:
        """Throw the projection away and make it again."""
        self._connection.execute("DELETE FROM positions")
        with document.reading():
            self.project(document, document.position_keys())

    def content(self) -> list[tuple[Any, ...]]:
        """Return all that is projected, in a fixed order, to compare."""
        return self._connection.execute("SELECT * FROM positions ORDER BY device, work").fetchall()

    def keys_of(self, device: str) -> list[str]:
        """Return the keys of a device's positions."""
        rows = self._connection.execute("SELECT work FROM positions WHERE device = ?", (device,))
        return [schema.position_key(device, work) for (work,) in rows]

    def of(self, work: str) -> list[ReadingPosition]:
        """Return what the document says of a work: the position of each device, the latest first."""
        rows = self._connection.execute("SELECT device, value FROM positions WHERE work = ?", (work,)).fetchall()
        read = [ReadingPosition.from_json(work, device, json.loads(value)) for device, value in rows]
        found = [each for each in read if each is not None]
        return sorted(found, key=lambda each: (-each.at_ms, each.device))

    def devices(self, here: str | None) -> list[ReadingDevice]:
        """Return the devices that read, the one that last did first; `here` is this one's id."""
        rows = self._connection.execute("SELECT device, work, value FROM positions").fetchall()
        found: dict[str, list[ReadingPosition]] = {}
        for device, work, value in rows:
            position = ReadingPosition.from_json(work, device, json.loads(value))
            found.setdefault(device, []).extend([position] if position is not None else [])
        devices = []
        for device, known in found.items():
            last = max(known, key=lambda each: each.at_ms, default=None)
            name, at = (last.device_name, last.at_ms) if last is not None else ("", 0)
            devices.append(ReadingDevice(device, name, len(known), at, device == here))
        return sorted(devices, key=lambda each: (-each.last_at_ms, each.id))


class OwnPlaces:
    """This device's positions, which may be newer than the document's, and who this device is."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def device(self) -> tuple[Device, str, str] | None:
        """Return this device with the host and file that it was drawn on; None if none was drawn yet."""
        row = self._connection.execute("SELECT id, name, host, file FROM device").fetchone()
        return None if row is None else (Device(row[0], row[1]), row[2], row[3])

    def draw(self, device: Device, host: str, file: str) -> None:
        """Be this device from now on. The old one's places stay in the document, as another device's."""
        self._connection.execute(
            "INSERT OR REPLACE INTO device VALUES (1, ?, ?, ?, ?)", (device.id, device.name, host, file)
        )
        self._connection.execute("DELETE FROM own_positions")

    def settle(self, host: str, file: str) -> None:
        """Note that this device's host has another name, or its file was moved on it."""
        self._connection.execute("UPDATE device SET host = ?, file = ?", (host, file))

    def rename(self, name: str) -> None:
        """Call this device something else; its places carry the name from the next one on."""
        self._connection.execute("UPDATE device SET name = ?", (name,))

    def put(self, position: ReadingPosition) -> None:
        """Note where this device is."""
        self._connection.execute(
            "INSERT INTO own_positions (work, value, is_written) VALUES (?, ?, 0)"
            " ON CONFLICT (work) DO UPDATE SET value = excluded.value, is_written = 0",
            (position.work, json.dumps(position.to_json(), ensure_ascii=False)),
        )

    def of(self, work: str, device: Device) -> ReadingPosition | None:
        """Return where this device is in a work."""
        row = self._connection.execute("SELECT value FROM own_positions WHERE work = ?", (work,)).fetchone()
        if row is None:
            return None
        return ReadingPosition.from_json(work, device.id, json.loads(row[0]), here=True)

    def unwritten(self) -> dict[str, Any]:
        """Return the values that are not in the document yet, by work."""
        rows = self._connection.execute("SELECT work, value FROM own_positions WHERE NOT is_written")
        return {work: json.loads(value) for work, value in rows}

    def written(self) -> None:
        """Note that the document has all of them now."""
        self._connection.execute("UPDATE own_positions SET is_written = 1 WHERE NOT is_written")

    def decline(self, work: str, anchor: Anchor) -> None:
        """Note that the person did not want to go there. One place of each work is remembered."""
        self._connection.execute(
            "INSERT OR REPLACE INTO declined VALUES (?, ?)",
            (work, json.dumps(anchor.to_json(), ensure_ascii=False)),
        )

    def declined(self, work: str) -> list[Anchor]:
        """Return where the person did not want to go."""
        rows = self._connection.execute("SELECT anchor FROM declined WHERE work = ?", (work,))
        return [Anchor.from_json(json.loads(anchor)) for (anchor,) in rows]

    def forget(self) -> None:
        """Forget where this device is and was."""
        self._connection.execute("DELETE FROM own_positions")
