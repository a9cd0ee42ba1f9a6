"""A place in a stream of Redis: which entry was read last, and whether what is there is still that."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["FIELD", "NONCE_BYTES", "Place"]

FIELD = b"b"
"""The one field of an entry: its random bytes, then a package."""
NONCE_BYTES = 8


@dataclass(frozen=True, slots=True)
class Place:
    """An entry that was read: its generation, its number and its random bytes."""

    generation: int
    number: int
    nonce: str

    @property
    def id(self) -> str:
        """The id of the entry."""
        return f"{self.generation}-{self.number}"

    @property
    def cursor(self) -> str:
        """The cursor of who has read up to here."""
        return f"{self.id}-{self.nonce}"

    def is_followed_by(self, other: Place) -> bool:
        """Say whether nothing lay between the two."""
        return (self.generation, self.number + 1) == (other.generation, other.number)

    @classmethod
    def of(cls, entry_id: bytes, fields: dict[bytes, bytes]) -> Place:
        """Return the place of an entry."""
        generation, _, number = entry_id.partition(b"-")
        return cls(int(generation), int(number), fields.get(FIELD, b"")[:NONCE_BYTES].hex())

    @classmethod
    def at(cls, cursor: str) -> Place | None:
        """Return what a cursor names, None if it is none of this backplane's."""
        named = re.fullmatch(r"(\d{1,19})-(\d{1,19})-([0-9a-f]{16})", cursor, re.ASCII)
        return None if named is None else cls(int(named[1]), int(named[2]), named[3])
