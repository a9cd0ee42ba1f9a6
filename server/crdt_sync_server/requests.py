"""What an ASGI scope says of who asks, whichever way the request came."""

from __future__ import annotations

from typing import Any

from crdt_sync_server.ports import ConnectRequest
from crdt_sync_server.rooms import room_of

__all__ = ["client_of", "connect_request"]


def connect_request(scope: dict[str, Any], *, under: str = "/") -> ConnectRequest:
    """Return the request of a scope whose path names a room after `under`. Raises `RoomNameError`."""
    return ConnectRequest(
        room=room_of(scope, under=under),
        headers=tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]),
        query=scope.get("query_string", b"").decode("latin-1"),
        client=client_of(scope),
    )


def client_of(scope: dict[str, Any]) -> str | None:
    """Return the address of the peer, or None."""
    client = scope.get("client")
    return client[0] if client else None
