"""Colours and styles of foreign formats, and ours: one table for each format, read in both directions.

Ours are names: the six of EPUB Annotations 1.0 (pink, orange, yellow, green, blue, purple) and, from readers that have
them, red, cyan, olive and gray; styles are highlight, underline, strikethrough and outline, and KOReader's invert. A
name that no table knows is kept as it stands, so that going there and back changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from colorsys import rgb_to_hls
from dataclasses import dataclass

__all__ = ["KOBO", "KOREADER_COLORS", "KOREADER_PALETTE", "KOREADER_STYLES", "READWISE", "Names", "hex_name"]


@dataclass(frozen=True, slots=True)
class Names:
    """How one format names what we name otherwise. What stands in no table has the same name on both sides."""

    ours: Mapping[str, str]
    """From the format's names, in lower case, to ours."""
    unknown: str
    """What we have for a record that names none."""

    def read(self, name: str | None) -> str:
        """Return our name."""
        known = (name or "").strip()
        return self.ours.get(known.lower(), known) or self.unknown

    def write(self, ours: str) -> str:
        """Return the format's name."""
        return next((theirs for theirs, name in self.ours.items() if name == ours), ours)


KOREADER_COLORS = Names({"gray": "gray", "grey": "gray"}, "yellow")
"""KOReader writes names: red orange yellow green olive cyan blue purple gray; before 2023 it had none."""

KOREADER_PALETTE = frozenset({"red", "orange", "yellow", "green", "olive", "cyan", "blue", "purple", "gray"})
"""The colours that KOReader can draw."""

KOREADER_STYLES = Names(
    {"lighten": "highlight", "underscore": "underline", "strikeout": "strikethrough", "invert": "invert"}, "highlight"
)
"""KOReader's `drawer`."""

READWISE = Names({}, "yellow")
"""Readwise writes names: yellow blue pink orange green purple."""

KOBO = Names({"0": "yellow", "1": "pink", "2": "blue", "3": "green"}, "yellow")
"""Kobo's `Color`: a number, on devices whose firmware has colours."""

_HUES = ((15, "red"), (45, "orange"), (70, "yellow"), (165, "green"), (195, "cyan"), (255, "blue"), (300, "purple"),
         (345, "pink"), (361, "red"))  # fmt: skip
"""Names by their largest hue, in degrees."""


def hex_name(text: str) -> str:
    """Return our name for the hue of `#rgb` or `#rrggbb`; anything else is returned as it stands.

    Readers write pale colours, as they stand behind text: `#FEF3BD` is a yellow, though white and pink are nearer.
    """
    match = re.fullmatch(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", text.strip())
    if match is None:
        return text
    digits = match[1] if len(match[1]) == 6 else "".join(digit * 2 for digit in match[1])
    red, green, blue = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    hue, lightness, _ = rgb_to_hls(red, green, blue)
    if max(red, green, blue) - min(red, green, blue) < 0.08:
        return "gray"
    name = next(name for below, name in _HUES if hue * 360 < below)
    return "pink" if name == "red" and lightness > 0.75 else name
