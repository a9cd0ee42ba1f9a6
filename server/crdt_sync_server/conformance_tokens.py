"""What every keeper of tokens must do, as a test class: `keepers.Tokens`.

Subclass it, give a block in which the adapter of a folder is open, and run pytest.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

from crdt_sync_server.keepers import Tokens
from crdt_sync_server.tokens import PROVIDER, digest_of, new_token

__all__ = ["TokensContract"]


class TokensContract:
    """The rules of `keepers.Tokens`."""

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
            assert await tokens.add(made)
            assert await tokens.add(other)
            await self._are_kept(tokens, token)
            assert list(await tokens.listed()) == [other, made]
            assert list(await tokens.listed("ada")) == [made]
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
            assert list(await tokens.revoke(made.id, 30)) == [revoked]
            assert list(await tokens.revoke(made.id, 40)) == [revoked]
            assert list(await tokens.revoke("unknown", 40)) == []
            assert await tokens.find(digest_of(token)) == revoked
            assert list(await tokens.listed()) == [revoked]

    async def test_what_was_made_with_a_token_is_revoked_with_it(self, tmp_path: Path) -> None:
        """At once, and nothing is made with it any more; others stay, and what was revoked before keeps its moment."""
        _, maker = new_token("ada", name=None, made_ms=10, expires_ms=None)
        _, other = new_token("ada", name=None, made_ms=11, expires_ms=None)
        first, second, late = (
            new_token("ada", name=None, made_ms=made_ms, expires_ms=90, made_with=maker.id)[1]
            for made_ms in (12, 13, 40)
        )
        async with self.opened(tmp_path) as tokens:
            for each in (maker, other, first, second):
                assert await tokens.add(each)
            assert list(await tokens.revoke(first.id, 20)) == [replace(first, revoked_ms=20)]
            revoked = [replace(maker, revoked_ms=30), replace(first, revoked_ms=20), replace(second, revoked_ms=30)]
            assert list(await tokens.revoke(maker.id, 30)) == revoked
            assert not await tokens.add(late)
            assert await tokens.find(late.digest) is None
            assert await tokens.find(other.digest) == other

    async def test_what_has_ended_by_itself_is_forgotten_with_the_next(self, tmp_path: Path) -> None:
        """Only what its subject made over HTTP, and only of this subject."""
        _, operators = new_token("ada", name=None, made_ms=10, expires_ms=20)
        _, ended = new_token("ada", name=None, made_ms=11, expires_ms=20, made_with=PROVIDER)
        _, lasts = new_token("ada", name=None, made_ms=12, expires_ms=31, made_with=PROVIDER)
        _, others = new_token("bob", name=None, made_ms=13, expires_ms=20, made_with=PROVIDER)
        _, new = new_token("ada", name=None, made_ms=30, expires_ms=90, made_with=PROVIDER)
        async with self.opened(tmp_path) as tokens:
            for each in (operators, ended, lasts, others, new):
                assert await tokens.add(each)
            assert list(await tokens.listed()) == [operators, lasts, others, new]

    async def test_when_a_token_was_last_used_is_kept(self, tmp_path: Path) -> None:
        """One that is not there is passed over."""
        _, made = new_token("ada", name=None, made_ms=10, expires_ms=None)
        async with self.opened(tmp_path) as tokens:
            await tokens.add(made)
            await tokens.used({made.id: 70, "unknown": 70})
            assert list(await tokens.listed()) == [replace(made, used_ms=70)]
