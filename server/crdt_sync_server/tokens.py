"""Tokens that the relay itself makes, for who has no identity provider: the values, and how a secret becomes a token.

A token is `crdt_` and 256 random bits. The store has its SHA-256 alone: so many random bits cannot be guessed, whatever
the speed of the hash, and a copy of the store opens no door.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

__all__ = ["PREFIX", "PROVIDER", "AccessToken", "digest_of", "is_ours", "new_token"]

PREFIX = "crdt_"
"""What begins like this is a token of ours, and never one of an identity provider: those begin with `eyJ`."""
PROVIDER = "provider"
"""Stands where the id of a token would, for one of the identity provider: no id of ours is this."""
SECRET_BYTES = 32
ID_BYTES = 6


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What the store knows of a token: who comes with it, what its maker calls it, and its SHA-256.

    Times are milliseconds since 1970. It holds until `expires_ms` (None: without end) or until it is revoked. `id`
    names it to people, and opens nothing. `made_with` is the id of the token that it was made with over HTTP, or
    `PROVIDER`; None: the operator made it. `used_ms` is when somebody last came with it, a minute or so late.
    """

    id: str
    subject: str
    name: str | None
    made_ms: int
    expires_ms: int | None = None
    revoked_ms: int | None = None
    made_with: str | None = None
    used_ms: int | None = None
    digest: bytes = field(default=b"", repr=False)

    def holds(self, now_ms: int) -> bool:
        """Say whether it lets its subject in."""
        return self.revoked_ms is None and (self.expires_ms is None or now_ms < self.expires_ms)


def new_token(
    subject: str, *, name: str | None, made_ms: int, expires_ms: int | None, made_with: str | None = None
) -> tuple[str, AccessToken]:
    """Return a token, which is kept nowhere, and what the store is to know of it."""
    token = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    made = AccessToken(
        secrets.token_hex(ID_BYTES),
        subject,
        name,
        made_ms,
        expires_ms,
        made_with=made_with,
        digest=digest_of(token),
    )
    return token, made


def digest_of(token: str) -> bytes:
    """Return what the store has of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def is_ours(token: str) -> bool:
    """Say whether a token claims to be of this relay."""
    return token.startswith(PREFIX)
