"""From which sites pages may connect: of this machine, of the names of this relay, and of a list."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from crdt_sync_server.errors import Forbidden
from crdt_sync_server.ports import ConnectRequest

__all__ = ["Origins", "host_of", "is_loopback"]


class Origins:
    """`origins` are like `https://reader.example`, `hosts`, under which this relay is reached, like `relay.example`."""

    def __init__(self, *, origins: Collection[str] = (), hosts: Collection[str] = ()) -> None:
        self._origins = {origin.rstrip("/").lower() for origin in origins}
        self._hosts = {host.lower() for host in hosts}

    def check(self, request: ConnectRequest) -> None:
        """Return if the page may connect, or if it is no page that asks. Raises `Forbidden`."""
        origin = request.header("origin")
        if origin is not None and origin.lower() not in self._origins:
            site = host_of(origin)
            if not is_loopback(site) and site not in self._hosts:
                raise Forbidden(f"pages of {origin} may not connect; the operator can allow them with --allow-origin")

    def check_host(self, request: ConnectRequest) -> None:
        """Return if the relay is reached under a name that it has. Raises `Forbidden`."""
        host = host_of(f"//{request.header('host') or ''}")
        if not is_loopback(host) and host not in self._hosts:
            raise Forbidden(f"the host {host!r} is not served here; the operator can allow it with --allow-host")


def host_of(url: str) -> str:
    """Return the host of a URL in lower case, or nothing."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
