"""Where this device reads: durable in its file at once, and in the document now and then."""

from __future__ import annotations

import platform
from collections.abc import Sequence

from crdt_sync.document import schema
from crdt_sync.document.anchors import Anchor
from crdt_sync.document.library_document import LibraryDocument
from crdt_sync.document.observed import Touched
from crdt_sync.document.positions import SAME_PLACE, Jump, ReadingPosition, moved, suggest
from crdt_sync.storage.database import reading_back
from crdt_sync.storage.places import Device, OwnPlaces, ReadingDevice
from crdt_sync.storage.transactions import Applied, Transactions

__all__ = ["WRITE_EVERY_S", "ReadingPlaces"]

WRITE_EVERY_S = 60.0
"""How often, at most, a place that moves goes into the document."""


class ReadingPlaces(Transactions):
    """The part of `LibraryStore` that knows where people read."""

    _positions_written_s: float | None = None

    def set_position(self, work: str, anchor: Anchor, *, anew: bool = False) -> ReadingPosition:
        """Note, durably, where this device is in a work; `anew` forgets how far it was."""
        with self._writing():
            own = OwnPlaces(self._connection)
            device = self._device(own)
            now = ReadingPosition(work, device.id, device.name, anchor, self._now_ms(), here=True)
            position = moved(None if anew else own.of(work, device), now)
            own.put(position)
        return position

    def write_positions(self) -> Applied:
        """Put the places that the document does not have into it; nothing if it has them all. They count as an edit."""
        with reading_back(self._path):
            if self._database.read_only or not OwnPlaces(self._connection).unwritten():
                return Applied()

        def change(document: LibraryDocument) -> tuple[Touched, tuple[str, ...]]:
            own = OwnPlaces(self._connection)
            device = self._device(own)
            values = {schema.position_key(device.id, work): value for work, value in own.unwritten().items()}
            touched = document.set_positions(values)
            own.written()
            return touched, ()

        applied = self._write(change, received_by=None)
        self._positions_written_s = self._now_s()
        return applied

    def positions_due_s(self, every_s: float = WRITE_EVERY_S) -> float | None:
        """Return in how many seconds the document should get what it does not have; None if it has everything."""
        with reading_back(self._path):
            if self._database.read_only or not OwnPlaces(self._connection).unwritten():
                return None
        if self._positions_written_s is None:
            return 0.0
        return max(0.0, self._positions_written_s + every_s - self._now_s())

    def positions(self, work: str) -> list[ReadingPosition]:
        """Return where each device is in a work, this one as it stands here, the latest first."""
        with reading_back(self._path):
            own, others = self._places(work)
            found = others if own is None else [own, *others]
            return sorted(found, key=lambda each: (-each.at_ms, each.device))

    def suggestion(self, work: str, same_place: float = SAME_PLACE) -> Jump | None:
        """Return what to offer to who opens a work here; see `positions.suggest`."""
        with reading_back(self._path):
            own, others = self._places(work)
            return suggest(own, others, OwnPlaces(self._connection).declined(work), same_place)

    def decline(self, work: str, anchor: Anchor) -> None:
        """Do not offer this place again."""
        with self._writing():
            OwnPlaces(self._connection).decline(work, anchor)

    def reading_devices(self) -> list[ReadingDevice]:
        """Return the devices whose places the document knows."""
        with reading_back(self._path):
            known = OwnPlaces(self._connection).device()
            return self.read.places.devices(None if known is None else known[0].id)

    def name_device(self, name: str) -> Device:
        """Call this device by a name, which its places carry from the next one on."""
        with self._writing():
            own = OwnPlaces(self._connection)
            device = self._device(own)
            own.rename(name)
        return Device(device.id, name)

    def forget_devices(self, device_ids: Sequence[str]) -> Applied:
        """Take the places of devices out of the library; of this one also what is not in the document yet."""

        def change(document: LibraryDocument) -> tuple[Touched, tuple[str, ...]]:
            own = OwnPlaces(self._connection)
            known = own.device()
            if known is not None and known[0].id in device_ids:
                own.forget()
            keys = [key for device in device_ids for key in self.read.places.keys_of(device)]
            return document.set_positions(dict.fromkeys(keys)), ()

        return self._write(change, received_by=None)

    def _places(self, work: str) -> tuple[ReadingPosition | None, list[ReadingPosition]]:
        places = OwnPlaces(self._connection)
        known = places.device()
        mine = None if known is None else places.of(work, known[0])
        others = [each for each in self.read.places.of(work) if known is None or each.device != known[0].id]
        return mine, others

    def _device(self, own: OwnPlaces) -> Device:
        """Return this device; a new one if the file was copied to another machine, which has the same id in it.

        Then neither the host's name nor the file's number is what it was. Each alone may change on one device: hosts
        are renamed, files are restored from a backup, and some disks number them anew at each mount. The caller holds
        a write transaction.
        """
        host, status = platform.node(), self._path.stat()
        file = f"{status.st_dev}:{status.st_ino}"
        known = own.device()
        if known is None or (known[1] != host and known[2] != file):
            device = Device(f"{self._random.getrandbits(64):016x}", host if known is None else known[0].name)
            own.draw(device, host, file)
            return device
        if known[1:] != (host, file):
            own.settle(host, file)
        return known[0]
