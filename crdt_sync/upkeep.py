"""Looking after a library's file, and carrying its edits by hand: the part of `Library` that is not daily work."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from crdt_sync.errors import LibraryError
from crdt_sync.protocol.exchange import Export, decode_export, encode_export
from crdt_sync.protocol.update import decode_state_vector
from crdt_sync.storage.aside import Rescued
from crdt_sync.storage.binding import Binding
from crdt_sync.storage.database import BUSY_TIMEOUT_S, translated, wal_of
from crdt_sync.storage.read_model import Author
from crdt_sync.storage.salvage import Repaired, repair
from crdt_sync.storage.store import Applied, LibraryStore
from crdt_sync.worker import Worker

__all__ = ["Author", "Binding", "Compacted", "Devices", "Repaired", "Rescued", "Upkeep", "repair", "wipe"]


@dataclass(frozen=True, slots=True)
class Compacted:
    """How many bytes the file had, its write-ahead log included, and has."""

    bytes_before: int
    bytes_after: int


@dataclass(frozen=True, slots=True)
class Devices:
    """Who wrote into a library, as far as a library can know.

    `authors` are the names that stand in what they made. A device has no name of its own: it takes a new client id each
    time it is opened and edited, so `sessions` counts such openings, on all devices, and not devices. `binding` is what
    this file belongs to.
    """

    authors: tuple[Author, ...]
    sessions: int
    binding: Binding | None


class Upkeep:
    """What `Library` has for its file's long life."""

    _worker: Worker
    _store: LibraryStore
    _applied: Callable[[Applied], Awaitable[None]]
    _binding: Binding | None
    """What the library is being synced with."""

    async def binding(self) -> Binding | None:
        """Return the relay, room and account that the library is being synced with or, offline, that its file has."""
        return self._binding or await self._worker.call(lambda: self._store.binding)

    async def verify(self) -> None:
        """Check the whole file. Raises `LibraryDamaged`, whose `findings` say each thing that is wrong."""
        await self._worker.call(self._store.verify)

    async def compact(self) -> Compacted:
        """Put the log together and give the disk back what it frees. Other processes may go on meanwhile.

        Raises `LibraryBusy` if one of them holds the file too long; then the log is together and the file not smaller.
        """
        return await self._worker.call(self._compact)

    async def devices(self) -> Devices:
        """Return who wrote into this library, as far as it can be known."""

        def read() -> Devices:
            authors = self._store.query(lambda read: read.authors())
            return Devices(tuple(authors), len(decode_state_vector(self._store.state_vector())), self._store.binding)

        return await self._worker.call(read)

    async def unsaved(self) -> list[str]:
        """Return the ids of items with edits that the relay has not confirmed, the latest edit first."""
        return await self._worker.call(self._store.unsaved)

    async def sign_out(self) -> None:
        """Let the file belong to no relay, room and account; what is in it stays, and to the next relay it is all new.

        Whatever it is bound to next gets all of it, and that cannot be undone. Raises `LibraryError` while it syncs.
        """
        if self._binding is not None:
            raise LibraryError("the library is being synced; open it without a relay to sign out")
        await self._worker.call(self._store.unbind)
        await self._applied(Applied())

    async def rescued(self) -> list[Rescued]:
        """Return the items that a repair found in the old file's tables and the library lacks, or has otherwise."""
        return await self._worker.call(self._store.rescued)

    async def take_rescued(self) -> tuple[str, ...]:
        """Write the rescued items that the library does not have into it, as new edits; return their ids.

        Sync first: what the relay has comes back by itself, and an item that was purged elsewhere would come back here.
        """
        applied = await self._worker.call(self._store.take_rescued)
        await self._applied(applied)
        return applied.ids

    async def state_vector(self) -> bytes:
        """Return what this library has, encoded, for another device to export what is beyond it."""
        return await self._worker.call(self._store.state_vector)

    async def export_updates(self, since: bytes = b"\x00") -> bytes:
        """Return a file of all that a library at the state vector `since` lacks; without it, of everything.

        Raises `RemoteProtocolError` if `since` is no state vector. The format is in `docs/protocol.md`.
        """

        def read() -> bytes:
            outgoing = self._store.diff(since)
            bound = self._store.binding
            origin = None if bound is None else (bound.relay, bound.room, bound.subject)
            return encode_export(Export(origin, since, self._store.state_vector(), outgoing.updates))

        return await self._worker.call(read)

    async def apply_updates(self, data: bytes) -> bool:
        """Take a file of updates, all or nothing, durably; return whether it held anything new. Twice is harmless.

        What it brings counts as pending until the relay has confirmed it. A library that belongs nowhere belongs from
        now on where the sender's does. Raises `UnreadableExport`, `GapError` if it goes on from what is not here,
        `BoundElsewhere` if the sender's library belongs elsewhere, `RemoteProtocolError` if an update is malformed.
        """
        applied = await self._worker.call(lambda: self._store.apply_export(decode_export(data), self._binding))
        await self._applied(applied)
        return applied.appended

    def _compact(self) -> Compacted:
        before = self._store.size_bytes()
        self._store.compact()
        self._store.vacuum()
        return Compacted(before, self._store.size_bytes())


def wipe(path: Path) -> None:
    """Destroy a library's file on this device, with what was never synced. Raises `LibraryBusy` while it is in use."""
    with translated(path):
        if path.exists():
            with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                connection.execute("BEGIN EXCLUSIVE")  # fails while another process has the file open
                connection.execute("ROLLBACK")
                wal_of(path).unlink(missing_ok=True)  # first: alone it would look like a library that was lost
                os.unlink(path)
        for each in (wal_of(path), path.with_name(f"{path.name}-shm")):
            each.unlink(missing_ok=True)
