"""Open mode: nobody is asked who they are, so a page on some other site must be kept out.

Any page may open `ws://127.0.0.1:8765`. A browser says where the page comes from (Origin), and a name that was bent to
point at this machine stands in Host (DNS rebinding); both must be of this machine or listed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from crdt_sync_server.errors import Forbidden
from crdt_sync_server.ports import ConnectRequest, Identity, Role

__all__ = ["OpenAuthenticator", "OpenAuthority"]


class OpenAuthenticator:
    """`ports.Authenticator` that lets in whoever comes from this machine, or from a listed host or origin.

    `origins` are like `https://reader.example`, `hosts` like `relay.example`; the latter are the names under which
    this relay is reached.
    """

    def __init__(self, *, origins: Collection[str] = (), hosts: Collection[str] = ()) -> None:
        self._origins = {origin.rstrip("/").lower() for origin in origins}
        self._hosts = {host.lower() for host in hosts}

    async def authenticate(self, request: ConnectRequest) -> Identity:
        """Return an identity without a subject. Raises `Forbidden`."""
        host = _host_of(f"//{request.header('host') or ''}")
        if not _is_loopback(host) and host not in self._hosts:
            raise Forbidden(f"the host {host!r} is not served here; the operator can allow it with --allow-host")
        origin = request.header("origin")
        if origin is not None and origin.lower() not in self._origins:
            site = _host_of(origin)
            if not _is_loopback(site) and site not in self._hosts:
                raise Forbidden(f"pages of {origin} may not connect; the operator can allow them with --allow-origin")
        return Identity(subject=None)


class OpenAuthority:
    """`ports.Authority` under which everybody edits every room."""

    async def role(self, identity: Identity, room: str) -> Role | None:
        """Return `Role.EDITOR`: nobody owns a room."""
        return Role.EDITOR


def _host_of(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
