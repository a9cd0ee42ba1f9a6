"""What every keeper of tokens must do, as a test class: `ports.Tokens`.

Subclass it, give a block in which the adapter of a folder is open, and run pytest.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

from crdt_sync_server.ports import Tokens
from crdt_sync_server.tokens import digest_of, new_token

__all__ = ["TokensContract"]


class TokensContract:
    """The rules of `ports.Tokens`."""

    keeps = True
    """False for an adapter that forgets with its process."""

    def opened(self, folder: Path) -> AbstractAsyncContextManager[Tokens]:
        """Return a block in which the tokens of `folder` can be asked for."""
        raise NotImplementedError

    async def test_what_was_made_is_found_by_its_hash_alone(self, tmp_path: Path) -> None:
        """Whole, over a restart too; and no other hash finds it."""
        token, made = new_token("ada", name="e-reader", made_ms=20, expires_ms=50)
        _, other = new_token("Zoë 🐢", name=None, made_ms=10, expires_ms=None)
        async with self.opened(tmp_path) as tokens:
            await tokens.add(made)
            await tokens.add(other)
            await self._are_kept(tokens, token)
            assert list(await tokens.listed()) == [other, made]
        if self.keeps:
            async with self.opened(tmp_path) as tokens:
                await self._are_kept(tokens, token)
                assert list(await tokens.listed()) == [other, made]

    async def _are_kept(self, tokens: Tokens, token: str) -> None:
        found = await tokens.find(digest_of(token))
        assert found is not None
        assert (found.subject, found.name, found.made_ms, found.expires_ms) == ("ada", "e-reader", 20, 50)
        for stranger in (token[:-1], f"{token} ", token.upper(), ""):
            assert await tokens.find(digest_of(stranger)) is None

    async def test_a_revoked_token_is_told_from_one_that_never_was(self, tmp_path: Path) -> None:
        """It keeps the moment of the first time, and nothing brings it back."""
        token, made = new_token("ada", name=None, made_ms=10, expires_ms=None)
        async with self.opened(tmp_path) as tokens:
            await tokens.add(made)
            revoked = replace(made, revoked_ms=30)
            assert await tokens.revoke(made.id, 30) == revoked
            assert await tokens.revoke(made.id, 40) == revoked
            assert await tokens.revoke("unknown", 40) is None
            assert await tokens.find(digest_of(token)) == revoked
            assert list(await tokens.listed()) == [revoked]
