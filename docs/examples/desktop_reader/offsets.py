"""Offsets into a text: the library counts code points, Qt counts UTF-16 units. They are converted here alone."""

from __future__ import annotations

from bisect import bisect_left


class Offsets:
    """Converts offsets into one text. Characters above U+FFFF, such as emoji, are two UTF-16 units."""

    def __init__(self, text: str) -> None:
        wide = [index for index, character in enumerate(text) if ord(character) > 0xFFFF]
        self._wide = wide
        self._wide_units = [index + before for before, index in enumerate(wide)]

    def to_units(self, code_points: int) -> int:
        """Return the offset in UTF-16 units of an offset in code points."""
        return code_points + bisect_left(self._wide, code_points)

    def to_code_points(self, units: int) -> int:
        """Return the offset in code points of one in UTF-16 units; inside a character it is where that begins."""
        return units - bisect_left(self._wide_units, units)
