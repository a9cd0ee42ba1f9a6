"""What an ASGI scope says of who asks, whichever way the request came."""

from __future__ import annotations

from typing import Any

import anyio

from crdt_sync_server.limits import Limit, LimitReached
from crdt_sync_server.ports import Authenticator, ConnectRequest, Grant
from crdt_sync_server.rooms import room_of

__all__ = ["authenticated", "client_of", "connect_request"]


def connect_request(scope: dict[str, Any], *, under: str = "/") -> ConnectRequest:
    """Return the request of a scope whose path names a room after `under`. Raises `RoomNameError`."""
    return ConnectRequest(
        room=room_of(scope, under=under),
        headers=tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]),
        query=scope.get("query_string", b"").decode("latin-1"),
        client=client_of(scope),
    )


async def authenticated(authenticator: Authenticator, request: ConnectRequest, *, within_s: float) -> Grant:
    """Return what the authenticator grants. Raises `LimitReached` if it takes too long, and what it raises."""
    with anyio.move_on_after(within_s):
        return await authenticator.authenticate(request)
    raise LimitReached(Limit.AUTHENTICATION, f"{Limit.AUTHENTICATION.words}; try again later")


def client_of(scope: dict[str, Any]) -> str | None:
    """Return the address of the peer, or None."""
    client = scope.get("client")
    return client[0] if client else None
