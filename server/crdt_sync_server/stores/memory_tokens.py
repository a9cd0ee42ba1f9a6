"""Tokens that are forgotten with the process: for tests, and for relays whose store forgets too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crdt_sync_server.tokens import AccessToken

__all__ = ["MemoryTokens"]


class MemoryTokens:
    """`ports.Tokens` in a dictionary."""

    def __init__(self) -> None:
        self._tokens: dict[str, AccessToken] = {}

    async def add(self, token: AccessToken) -> None:
        """Keep a new token."""
        self._tokens[token.id] = token

    async def find(self, digest: bytes) -> AccessToken | None:
        """Return the token with this SHA-256, whether it still holds or not."""
        return next((each for each in self._tokens.values() if each.digest == digest), None)

    async def listed(self) -> Sequence[AccessToken]:
        """Return all tokens, the oldest first."""
        return sorted(self._tokens.values(), key=lambda each: (each.made_ms, each.id))

    async def revoke(self, token_id: str, at_ms: int) -> AccessToken | None:
        """Revoke a token for good, and return it; None if there is none. A second time changes nothing."""
        if (found := self._tokens.get(token_id)) is not None and found.revoked_ms is None:
            self._tokens[token_id] = replace(found, revoked_ms=at_ms)
        return self._tokens.get(token_id)
