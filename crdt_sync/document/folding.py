"""Folds a text to what two printings of it have in common, and keeps the way back to its code points.

Folded are case, runs of white space, kinds of quotation marks and dashes, hyphens within words (at the end of a line
too), soft hyphens and other characters without width, ligatures, and accents written apart from their letter (NFC,
Unicode Standard Annex #15). Words stay words: nothing is stemmed, and accents stay.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right

__all__ = ["Folded"]

_ALIKE = {
    " ": "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000",
    "'": "‘’‚‛‹›`´ʼ′",
    '"': "“”„‟«»″",
    "-": "‐‑‒–—―−﹘﹣－",
}
_LIGATURES = {
    "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "…": "...", "æ": "ae", "œ": "oe",
}  # fmt: skip
_NO_WIDTH = "\xad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_SPELLED = str.maketrans({**_LIGATURES, **dict.fromkeys(_NO_WIDTH, "")})


class Folded:
    """A folded text. `start` and `end` lead from its offsets to code points of the text it was made from."""

    def __init__(self, text: str) -> None:
        aligned = _aligned(text)
        self._froms: list[int] = []  # the places at which folding changes lengths: where in the folded text
        self._tos: list[int] = []
        self._raw_froms: list[int] = []  # and where in the text
        self._raw_tos: list[int] = []
        self.text = self._shortened(aligned)

    def start(self, offset: int) -> int:
        """Return where the character at a folded offset starts in the text."""
        at = bisect_right(self._froms, offset) - 1
        if at < 0:
            return offset
        if offset < self._tos[at]:
            return self._raw_froms[at]
        return self._raw_tos[at] + offset - self._tos[at]

    def end(self, offset: int) -> int:
        """Return where the character before a folded offset ends in the text; what was folded away after it is out."""
        at = bisect_left(self._froms, offset) - 1
        while at >= 0 and self._froms[at] == self._tos[at] == offset:
            at -= 1
        if at < 0:
            return offset
        if offset <= self._tos[at]:
            return self._raw_tos[at]
        return self._raw_tos[at] + offset - self._tos[at]

    def folded(self, offset: int) -> int:
        """Return the folded offset of a code point of the text; one that was folded away is where the next one is."""
        at = bisect_right(self._raw_froms, offset) - 1
        if at < 0:
            return offset
        if offset < self._raw_tos[at]:
            return self._froms[at]
        return self._tos[at] + offset - self._raw_tos[at]

    def _shortened(self, aligned: str) -> str:
        pattern = _changing(aligned)
        if pattern is None:
            return aligned
        parts: list[str] = []
        raw = folded = 0
        for found in pattern.finditer(aligned):
            kept, instead = aligned[raw : found.start()], _instead(found[0])
            folded += len(kept)
            self._froms.append(folded)
            self._raw_froms.append(found.start())
            parts += (kept, instead)
            folded += len(instead)
            raw = found.end()
            self._tos.append(folded)
            self._raw_tos.append(raw)
        parts.append(aligned[raw:])
        return "".join(parts)


def _aligned(text: str) -> str:
    """Fold what keeps its length: white space, quotation marks, dashes, case."""
    for one, others in _ALIKE.items():
        for other in others:
            if other in text:
                text = text.replace(other, one)
    # the one letter whose small form is longer, and the one whose small form depends on where it stands
    return text.replace("İ", "i").lower().replace("ς", "σ")


def _changing(aligned: str) -> re.Pattern[str] | None:
    """Return what finds the places that change their length, or None if there is none."""
    characters = frozenset() if aligned.isascii() else frozenset(aligned)
    no_width = "".join(each for each in _NO_WIDTH if each in characters)
    kinds = [f" [ {no_width}]+"] if "  " in aligned or no_width else []
    if "-" in aligned:
        kinds.append(r"-(?<=\w-) *(?=\w)")  # it begins with a character, which re can skip to
    marks = re.escape("".join(each for each in characters if unicodedata.combining(each)))
    if marks and not unicodedata.is_normalized("NFC", aligned.translate(_SPELLED)):
        kinds.append(f"[^{marks}{no_width}][{marks}{no_width}]*[{marks}]")
    kinds += [re.escape(each) for each in (*no_width, *_LIGATURES) if each in characters]
    return re.compile("|".join(kinds)) if kinds else None


def _instead(found: str) -> str:
    if found[0] == "-":
        return ""
    spelled = found.translate(_SPELLED)
    return " " if spelled and not spelled.strip(" ") else unicodedata.normalize("NFC", spelled)
