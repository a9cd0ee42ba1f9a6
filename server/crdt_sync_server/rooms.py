"""Room names: the whole path of the URL after its first slash, slashes included, in one canonical form.

Clients differ in what they percent-encode, and the server's own `path` has `%2F` turned into `/` already, so the raw
path is decoded here, once. A name is a key and never a file: no room name becomes a path on disk.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from crdt_sync_server.errors import Refused

__all__ = ["MAX_ROOM_NAME_BYTES", "RoomNameError", "room_of"]

MAX_ROOM_NAME_BYTES = 512


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
    name = unicodedata.normalize("NFC", name.removeprefix(under))
    if not name:
        raise RoomNameError("the URL names no room; connect to ws://host:port/<room>")
    if len(name.encode()) > MAX_ROOM_NAME_BYTES:
        raise RoomNameError(f"a room name has at most {MAX_ROOM_NAME_BYTES} bytes")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Cn", "Zl", "Zp") for character in name):
        raise RoomNameError("a room name holds no control characters")
    if any(segment in ("", ".", "..") for segment in name.split("/")):
        raise RoomNameError('a room name has no empty, "." or ".." part')
    return name
