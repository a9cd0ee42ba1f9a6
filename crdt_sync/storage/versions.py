"""Named copies of the whole library, kept in its file. The caller holds the transaction.

A Yjs snapshot would not do: it needs all that was ever deleted, and a replica collects that as garbage. So a version is
the document itself as one update, compressed, with the CRC-32 of what is stored.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from crdt_sync.errors import InvalidEdit, LibraryDamaged, NotFound

__all__ = ["Kept", "Version", "Versions", "pack"]

MAX_VERSIONS = 100
MAX_NAME_CHARACTERS = 200
COMPRESSION = 6


@dataclass(frozen=True, slots=True)
class Version:
    """A version: its name, when it was saved in milliseconds since 1970, how many items it has, its bytes on disk.

    Counts include what was in the trash.
    """

    id: int
    name: str
    saved_at_ms: int
    highlights: int
    notes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A version as it stands in the file: compressed, with what is told of it."""

    name: str
    saved_at_ms: int
    highlights: int
    notes: int
    data: bytes


class Versions:
    """The versions of one file, over its connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def check_room(self, name: str) -> None:
        """Raise `InvalidEdit` if there are too many already, or the name is none."""
        if not name.strip() or len(name) > MAX_NAME_CHARACTERS or any(0xD800 <= ord(char) < 0xE000 for char in name):
            raise InvalidEdit(f"a version's name has 1 to {MAX_NAME_CHARACTERS} characters")
        (count,) = self._connection.execute("SELECT count(*) FROM versions").fetchone()
        if count >= MAX_VERSIONS:
            raise InvalidEdit(f"there are {count} versions, which is the most a library keeps; delete one first")

    def save(self, kept: Kept) -> int:
        """Keep a version; return its number."""
        row = self._connection.execute(
            "INSERT INTO versions (name, saved_at_ms, highlights, notes, data, crc) VALUES (?, ?, ?, ?, ?, ?)",
            (kept.name, kept.saved_at_ms, kept.highlights, kept.notes, kept.data, zlib.crc32(kept.data)),
        )
        assert row.lastrowid is not None
        return row.lastrowid

    def all(self) -> list[Version]:
        """Return the versions, the newest first."""
        rows = self._connection.execute(
            "SELECT id, name, saved_at_ms, highlights, notes, length(data) FROM versions ORDER BY id DESC"
        )
        return [Version(*row) for row in rows]

    def update(self, version_id: int) -> bytes:
        """Return a version's document. Raises `NotFound`, and `LibraryDamaged` if it is not what was written."""
        row = self._connection.execute("SELECT data, crc FROM versions WHERE id = ?", (version_id,)).fetchone()
        if row is None:
            raise NotFound(f"there is no version {version_id}; `versions` lists them")
        if not isinstance(row[0], bytes) or zlib.crc32(row[0]) != row[1]:
            raise LibraryDamaged(f"the version {version_id} is not what was written; delete it")
        return zlib.decompress(row[0])

    def delete(self, version_id: int) -> None:
        """Forget a version. Raises `NotFound`."""
        if not self._connection.execute("DELETE FROM versions WHERE id = ?", (version_id,)).rowcount:
            raise NotFound(f"there is no version {version_id}; `versions` lists them")

    def rewrite(self, version_id: int, update: bytes, highlights: int, notes: int) -> None:
        """Put another document in the place of a version's."""
        data = pack(update)
        self._connection.execute(
            "UPDATE versions SET data = ?, crc = ?, highlights = ?, notes = ? WHERE id = ?",
            (data, zlib.crc32(data), highlights, notes, version_id),
        )

    def findings(self) -> list[str]:
        """Say which versions are not what was written."""
        rows = self._connection.execute("SELECT id, data, crc FROM versions ORDER BY id")
        return [
            f"the version {number} is not what was written"
            for number, data, crc in rows
            if not isinstance(data, bytes) or zlib.crc32(data) != crc
        ]

    def kept(self) -> list[Kept]:
        """Return the versions that are what was written, the oldest first."""
        rows = self._connection.execute(
            "SELECT name, saved_at_ms, highlights, notes, data, crc FROM versions ORDER BY id"
        )
        return [Kept(*row[:5]) for row in rows if isinstance(row[4], bytes) and zlib.crc32(row[4]) == row[5]]

    def take(self, kept: Iterable[Kept]) -> None:
        """Keep versions of another file, as a repair does."""
        for each in kept:
            self.save(each)


def pack(update: bytes) -> bytes:
    """Return a document as a version keeps it."""
    return zlib.compress(update, COMPRESSION)
