"""Offsets into a text: this library counts code points, JavaScript and Qt UTF-16 units, pycrdt and Rust UTF-8 bytes.

Convert at the edge, once, and keep code points. A conversion costs one block of 1,024 code points, however long the
text is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from typing import Literal, TypeAlias

from crdt_sync.errors import InvalidEdit

__all__ = ["Inside", "Offsets"]

Inside: TypeAlias = Literal["refuse", "start", "end"]
_BLOCK = 1024


class Offsets:
    """Converts offsets into one text. Raises `InvalidEdit` if the text holds half a character (a lone surrogate).

    An offset that is not in the text raises `InvalidEdit`. So does one inside a character (between the two units of a
    surrogate pair, or the bytes of a sequence), unless `inside` says to take where the character starts or ends. What
    a reader sees as one character may be several code points, such as a letter and its accent; between is not inside.
    """

    def __init__(self, text: str) -> None:
        whole_characters(text)
        self._text = text
        self._utf16 = _Counted(text, lambda part: len(part.encode("utf-16-le")) // 2, "UTF-16 units")
        self._utf8 = _Counted(text, lambda part: len(part.encode()), "UTF-8 bytes")

    def to_utf16(self, code_points: int) -> int:
        """Return the offset in UTF-16 units of one in code points."""
        return self._utf16.count(code_points)

    def to_utf8(self, code_points: int) -> int:
        """Return the offset in UTF-8 bytes of one in code points."""
        return self._utf8.count(code_points)

    def from_utf16(self, units: int, *, inside: Inside = "refuse") -> int:
        """Return the offset in code points of one in UTF-16 units."""
        return self._utf16.find(units, inside)

    def from_utf8(self, units: int, *, inside: Inside = "refuse") -> int:
        """Return the offset in code points of one in UTF-8 bytes."""
        return self._utf8.find(units, inside)


def whole_characters(text: str) -> None:
    """Raise `InvalidEdit` if the text holds half a character."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidEdit(
            f"the text holds half a character (a lone surrogate) at code point {error.start}; "
            "decode it from its bytes again, with errors='replace' if they are damaged"
        ) from None


class _Counted:
    """A text counted in another unit, block by block."""

    def __init__(self, text: str, measure: Callable[[str], int], unit: str) -> None:
        self._text, self._measure, self._unit = text, measure, unit
        blocks = (text[at : at + _BLOCK] for at in range(0, len(text), _BLOCK))
        self._before = [] if text.isascii() else [0, *accumulate(map(measure, blocks))]
        """What is before each block; nothing for a text in which all units are the same."""

    def count(self, code_points: int) -> int:
        if not 0 <= code_points <= len(self._text):
            raise InvalidEdit(f"the text has {len(self._text)} code points; there is no offset {code_points}")
        if not self._before:
            return code_points
        block = code_points // _BLOCK
        return self._before[block] + self._measure(self._text[block * _BLOCK : code_points])

    def find(self, units: int, inside: Inside) -> int:
        length = self._before[-1] if self._before else len(self._text)
        if not 0 <= units <= length:
            raise InvalidEdit(f"the text has {length} {self._unit}; there is no offset {units}")
        if not self._before:
            return units
        block = bisect_right(self._before, units, hi=len(self._before) - 1) - 1  # the last entry starts no block
        at, seen = block * _BLOCK, self._before[block]
        while seen < units:
            seen += self._measure(self._text[at])
            at += 1
        if seen > units and inside == "refuse":
            raise InvalidEdit(
                f"offset {units} in {self._unit} is inside the character {self._text[at - 1]!r}, which is code point "
                f"{at - 1}; inside='start' takes its start and inside='end' its end"
            )
        return at - 1 if seen > units and inside == "start" else at
