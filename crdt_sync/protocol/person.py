"""Who a presence is of: what a state says of a person, what of it is a claim, and what of it may be shown.

Applications of Yjs show a person as `{"user": {"name", "color"}}`, whatever else is in the state. Two keys are ours:

    user.subject   the account, as its token says it. A relay that knows who is connected passes on no state in which
                   this is somebody else's; where it is left out, the state says of nobody who they are
    user.avatar    a picture: an https URL, or a small one in a data URI

A name is what one calls oneself: nobody checks it. Only `subject` says who somebody is, and only where a relay asks.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

__all__ = [
    "COLORS",
    "MAX_AVATAR_CHARACTERS",
    "MAX_NAME_CHARACTERS",
    "Person",
    "claims",
    "color_of",
    "is_avatar",
    "is_color",
]

MAX_NAME_CHARACTERS = 100
MAX_AVATAR_CHARACTERS = 8 * 1024
"""A presence is told to everybody every 15 s, so a picture in it is a small one."""
MAX_URL_CHARACTERS = 2048
COLORS = (
    "#9c1c1c", "#a33a00", "#865200", "#6b5c00", "#4d6600", "#236b1e", "#006b4a", "#006969",
    "#00628a", "#0b57a4", "#3d4fb8", "#5c43b5", "#7b35a8", "#94298c", "#a3245f", "#5f5348",
)  # fmt: skip
"""A subject's colour is one of these: white is readable on each, and each on white, above 4.5:1 (WCAG 2.2, 1.4.3)."""
_COLOR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp|avif);base64,([A-Za-z0-9+/]+={0,2})")  # no SVG: it has scripts


@dataclass(frozen=True, slots=True)
class Person:
    """What may be shown of somebody: `color` is `#rrggbb`; an `avatar` that is none of the allowed is left out.

    `subject` is None where the state does not say it. Believe it on a relay that asks for tokens, and on no other.
    """

    name: str
    color: str
    avatar: str | None = None
    subject: str | None = None

    @property
    def text_color(self) -> str:
        """Black or white, whichever can be read on `color`: at least 4.5:1, whatever the colour is."""
        return "#000000" if _contrast(self.color, "#000000") >= _contrast(self.color, "#ffffff") else "#ffffff"

    def to_json(self) -> dict[str, Any]:
        """Return the value of `user` in a presence."""
        value: dict[str, Any] = {"name": self.name, "color": self.color}
        if self.avatar is not None:
            value["avatar"] = self.avatar
        if self.subject is not None:
            value["subject"] = self.subject
        return value

    @classmethod
    def from_state(cls, state: Any) -> Person | None:
        """Read a presence of anybody, leniently; None if it is of no person. A long name is cut."""
        user = state.get("user") if isinstance(state, Mapping) else None
        if not isinstance(user, Mapping):
            return None
        given_name, given_color, avatar, subject = (user.get(key) for key in ("name", "color", "avatar", "subject"))
        subject = subject if isinstance(subject, str) and subject else None
        name = given_name[:MAX_NAME_CHARACTERS] if isinstance(given_name, str) else ""
        color = str(given_color).lower() if is_color(given_color) else color_of(subject or name)
        return cls(name, color, avatar if is_avatar(avatar) else None, subject)


def color_of(subject: str) -> str:
    """Return the colour of a subject, the same on every device: the first byte of its SHA-256 says which."""
    return COLORS[sha256(subject.encode(errors="surrogatepass")).digest()[0] % len(COLORS)]


def is_color(value: Any) -> bool:
    """Say whether `value` is written like `#0b57a4`."""
    return isinstance(value, str) and _COLOR.fullmatch(value) is not None


def is_avatar(value: Any) -> bool:
    """Say whether `value` is a picture that may be shown: an https URL, or PNG, JPEG, GIF, WebP, AVIF in base64."""
    if not isinstance(value, str) or len(value) > MAX_AVATAR_CHARACTERS or not value.isascii():
        return False
    if picture := _PICTURE.fullmatch(value):
        try:
            return bool(base64.b64decode(picture[1], validate=True))
        except binascii.Error:
            return False
    if not value.startswith("https://") or len(value) > MAX_URL_CHARACTERS or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        return bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        return False


def claims(state: str) -> str | None:
    """Return the subject that a state (JSON text) claims to be, or None if it claims none.

    A claim that is no text is returned as `""`, which no subject is, and so is a state in which a key stands twice:
    parsers differ in which of the two counts.
    """
    if "subject" not in state and "\\" not in state:  # nearly all; a key may be written with escapes, too
        return None
    try:
        value = json.loads(state, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):
        return ""
    user = value.get("user") if isinstance(value, dict) else None
    if not isinstance(user, dict) or "subject" not in user:
        return None
    return user["subject"] if isinstance(user["subject"], str) else ""


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands twice")
    return value


def _contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    red, green, blue = (_linear(int(color[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
