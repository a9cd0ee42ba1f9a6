"""Which addresses and URLs of others a setting may name."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from crdt_sync_server.errors import ConfigurationError

__all__ = ["checked_url", "is_loopback"]


def checked_url(url: str, setting: str) -> str:
    """Return an https URL, or an http one of this machine, as it is. Raises `ConfigurationError` for all else."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    is_here = host in ("localhost", "127.0.0.1", "::1")
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_here)):
        raise ConfigurationError(f"--{setting} takes an https URL; this is {url!r}")
    return url


def is_loopback(host: str) -> bool:
    """Say whether this is an address or name of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
