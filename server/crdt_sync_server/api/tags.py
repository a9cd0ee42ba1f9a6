"""Weak tags (RFC 9110, section 8.8.3): what a client has already is not sent again."""

from __future__ import annotations

import hashlib

from crdt_sync_server.http import Headers
from crdt_sync_server.ports import ConnectRequest

__all__ = ["is_known", "tag_of", "tagged"]


def tagged(words: str) -> Headers:
    """Return the header with a weak tag that says `words`."""
    return ((b"etag", f'W/"{words}"'.encode()),)


def tag_of(data: bytes) -> Headers:
    """Return the header with the tag of an answer that is no version of anything."""
    return tagged(hashlib.sha256(data).hexdigest()[:32])


def is_known(request: ConnectRequest, tag: Headers) -> bool:
    """Say whether the client has what this tag stands for."""
    asked = request.header("if-none-match")
    if asked is None:
        return False
    ((_, value),) = tag
    tags = {each.strip().removeprefix("W/") for each in asked.split(",")}
    return "*" in tags or value.decode().removeprefix("W/") in tags
