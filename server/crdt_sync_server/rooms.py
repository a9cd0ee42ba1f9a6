"""Room names: the whole path of the URL after its first slash, slashes included, in one canonical form.

Clients differ in what they percent-encode, and the server's own `path` has `%2F` turned into `/` already, so the raw
path is decoded here, once. A name is a key and never a file: no room name becomes a path on disk.

Where subjects are known, the name says whose the room is:

    u/<subject>, u/<subject>/…   the subject's own; who first comes there makes it. A slash in a subject is written %2F
                                 and a percent sign %25, so no subject owns what is under another's name
    g/<id>                       a group's; the relay alone makes ids
    g/<id>/threads               its discussions: whoever has a role in the group reads there, the relay alone writes
    anything else                nobody's, until the operator grants somebody a role there
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from crdt_sync_server.errors import Refused

__all__ = [
    "MAX_ROOM_NAME_BYTES",
    "RoomNameError",
    "group_of",
    "is_group",
    "is_personal",
    "new_group",
    "own_room",
    "owns",
    "payer",
    "room_named",
    "room_of",
    "threads_of",
]

MAX_ROOM_NAME_BYTES = 512
_THREADS = "/threads"


class RoomNameError(Refused):
    """The URL names no room; the message says what a name must be."""


def room_of(scope: Mapping[str, Any], *, under: str = "/") -> str:
    """Return the room that an ASGI scope asks for: the path after `under`. Raises `RoomNameError`."""
    raw: bytes | None = scope.get("raw_path")
    encoded = raw.partition(b"?")[0] if raw is not None else str(scope["path"]).encode()
    try:
        name = (unquote_to_bytes(encoded) if raw is not None else encoded).decode()
    except UnicodeDecodeError:
        raise RoomNameError("a room name is UTF-8, percent-encoded") from None
    return room_named(name.removeprefix(under))


def room_named(name: str) -> str:
    """Return a room's name in its canonical form. Raises `RoomNameError`."""
    name = unicodedata.normalize("NFC", name)
    if not name:
        raise RoomNameError("the URL names no room; connect to ws://host:port/<room>")
    if len(name.encode()) > MAX_ROOM_NAME_BYTES:
        raise RoomNameError(f"a room name has at most {MAX_ROOM_NAME_BYTES} bytes")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Cn", "Zl", "Zp") for character in name):
        raise RoomNameError("a room name holds no control characters")
    if any(segment in ("", ".", "..") for segment in name.split("/")):
        raise RoomNameError('a room name has no empty, "." or ".." part')
    return name


def own_room(subject: str) -> str:
    """Return the room that is a subject's own library, in canonical form. Raises `RoomNameError` if it has none."""
    room = f"u/{_segment(subject)}"
    if room_named(room) != room:  # two subjects must not be one room because Unicode composes them alike
        raise RoomNameError("this subject is not in Unicode's composed form, so no room can be called after it")
    return room


def owns(subject: str | None, room: str) -> bool:
    """Say whether `room` is the subject's own, or under it. `room` is in canonical form."""
    own = f"u/{_segment(subject)}" if subject else None
    return own is not None and (room == own or room.startswith(f"{own}/"))


def is_personal(room: str) -> bool:
    """Say whether a room is some subject's own."""
    return room.startswith("u/")


def is_group(room: str) -> bool:
    """Say whether a room is a group's. That of its threads is none."""
    return room.startswith("g/") and group_of(room) is None


def threads_of(room: str) -> str | None:
    """Return the room of a group's threads; None for what is no group."""
    return f"{room}{_THREADS}" if room.count("/") == 1 and is_group(room) else None


def group_of(room: str) -> str | None:
    """Return the group whose threads a room holds; None if it holds none."""
    group = room.removesuffix(_THREADS)
    return group if group != room and group.startswith("g/") and group.count("/") == 1 else None


def new_group() -> str:
    """Return the name of a group's room, which nobody can guess: 128 random bits."""
    return f"g/{secrets.token_urlsafe(16)}"


def payer(room: str, subject: str | None) -> str | None:
    """Return for whom it counts what is stored of a new room that `subject` has come into."""
    if subject is None or not is_personal(room):
        return subject
    return room.split("/")[1].replace("%2F", "/").replace("%25", "%")


def _segment(subject: str) -> str:
    return subject.replace("%", "%25").replace("/", "%2F")
