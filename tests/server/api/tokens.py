"""A relay process that asks for tokens, and who has one: each with an HTTP client of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import jwt

from tests.relay import RelayProcess

SECRET = "for tests alone, of at least 32 bytes"


def token(subject: str, **claims: Any) -> str:
    """Return a token of HS256; a claim that is None is left out."""
    every = {"sub": subject, "exp": time.time() + 600, "name": subject.title(), **claims}
    return jwt.encode({name: value for name, value in every.items() if value is not None}, SECRET, "HS256")


@contextmanager
def token_relay(folder: Path, *arguments: str) -> Iterator[RelayProcess]:
    """Run a relay with `--auth jwt` for as long as the block lasts; its data is in `folder`."""
    settings = folder / "settings.toml"
    settings.write_text(f'jwt-secret = "{SECRET}"\n')
    with RelayProcess(folder / "data", "--auth", "jwt", "--config", str(settings), *arguments) as relay:
        yield relay


def client_of(relay: RelayProcess, subject: str | None, **headers: str) -> httpx.Client:
    """Return a client of the API; without a subject it has no token."""
    if subject is not None:
        headers["authorization"] = f"Bearer {token(subject)}"
    return httpx.Client(base_url=f"{relay.url.replace('ws', 'http')}/api/v1", headers=headers, timeout=30)


def at(room: str, rest: str = "") -> str:
    """Return the path of a room."""
    return f"/rooms/{quote(room, safe='')}{rest}"
