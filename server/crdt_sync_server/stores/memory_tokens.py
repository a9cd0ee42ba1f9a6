"""Tokens that are forgotten with the process: for tests, and for relays whose store forgets too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from crdt_sync_server.tokens import AccessToken

__all__ = ["MemoryTokens"]


class MemoryTokens:
    """`keepers.Tokens` in a dictionary."""

    def __init__(self) -> None:
        self._tokens: dict[str, AccessToken] = {}

    async def add(self, token: AccessToken) -> bool:
        """Keep a new token; False if the one that it was made with was revoked."""
        maker = self._tokens.get(token.made_with or "")
        if maker is not None and maker.revoked_ms is not None:
            return False
        for each in await self.listed(token.subject):
            if each.made_with is not None and each.expires_ms is not None and each.expires_ms <= token.made_ms:
                del self._tokens[each.id]
        self._tokens[token.id] = token
        return True

    async def find(self, digest: bytes) -> AccessToken | None:
        """Return the token with this SHA-256, whether it still holds or not."""
        return next((each for each in self._tokens.values() if each.digest == digest), None)

    async def listed(self, subject: str | None = None) -> Sequence[AccessToken]:
        """Return all tokens, or those of a subject, the oldest first."""
        found = [each for each in self._tokens.values() if subject in (None, each.subject)]
        return sorted(found, key=lambda each: (each.made_ms, each.id))

    async def revoke(self, token_id: str, at_ms: int) -> Sequence[AccessToken]:
        """Revoke a token for good, and those that were made with it; return them all."""
        found = [each for each in await self.listed() if token_id in (each.id, each.made_with)]
        for each in found:
            if each.revoked_ms is None:
                self._tokens[each.id] = replace(each, revoked_ms=at_ms)
        return [self._tokens[each.id] for each in found]

    async def used(self, at_ms: Mapping[str, int]) -> None:
        """Note when tokens were last used."""
        for token_id, used_ms in at_ms.items():
            if (found := self._tokens.get(token_id)) is not None:
                self._tokens[token_id] = replace(found, used_ms=used_ms)
