"""Open mode: nobody is asked who they are, so a page on some other site must be kept out.

Any page may open `ws://127.0.0.1:8765`. A browser says where the page comes from (Origin), and a name that was bent to
point at this machine stands in Host (DNS rebinding); both must be of this machine or listed.
"""

from __future__ import annotations

from collections.abc import Collection

from crdt_sync_server.origins import Origins
from crdt_sync_server.ports import ConnectRequest, Identity, Role
from crdt_sync_server.rooms import group_of

__all__ = ["OpenAuthenticator", "OpenAuthority"]


class OpenAuthenticator:
    """`ports.Authenticator` that lets in whoever comes from this machine, or from a listed host or origin.

    `origins` are like `https://reader.example`, `hosts` like `relay.example`; the latter are the names under which
    this relay is reached.
    """

    def __init__(self, *, origins: Collection[str] = (), hosts: Collection[str] = ()) -> None:
        self._origins = Origins(origins=origins, hosts=hosts)

    async def authenticate(self, request: ConnectRequest) -> Identity:
        """Return an identity without a subject. Raises `Forbidden`."""
        self._origins.check_host(request)
        self._origins.check(request)
        return Identity(subject=None)


class OpenAuthority:
    """`ports.Authority` under which everybody edits every room, but the threads of groups, and nobody owns one."""

    async def role(self, identity: Identity, room: str) -> Role | None:
        """Return `Role.EDITOR`, and `Role.READER` where the relay alone writes: nobody is known who could."""
        return Role.EDITOR if group_of(room) is None else Role.READER
