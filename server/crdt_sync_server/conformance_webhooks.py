"""What every keeper of webhooks must do, as a test class: `keepers.Webhooks`.

Subclass it, give a block in which the adapter of a folder is open, and run pytest.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from crdt_sync_server.keepers import Webhooks
from crdt_sync_server.webhooks import new_webhook

__all__ = ["WebhooksContract"]


class WebhooksContract:
    """The rules of `keepers.Webhooks`."""

    keeps = True
    """False for an adapter that forgets with its process."""

    def opened(self, folder: Path) -> AbstractAsyncContextManager[Webhooks]:
        """Return a block in which the webhooks of `folder` can be asked for."""
        raise NotImplementedError

    async def test_what_was_added_is_listed_whole_by_age(self, tmp_path: Path) -> None:
        """With its secret, over a restart too."""
        young = new_webhook("https://a.example/ü?x=1", room="g/Zoë 🐢", under=None, made_ms=20)
        old = new_webhook("https://b.example", room=None, under="u/ada", made_ms=10)
        every = new_webhook("http://localhost:1", room=None, under=None, made_ms=15)
        async with self.opened(tmp_path) as hooks:
            for each in (young, old, every):
                await hooks.add(each)
            assert list(await hooks.listed()) == [old, every, young]
        if self.keeps:
            async with self.opened(tmp_path) as hooks:
                assert list(await hooks.listed()) == [old, every, young]

    async def test_what_was_removed_is_gone(self, tmp_path: Path) -> None:
        """It is returned once, and the others stay."""
        one, other = (new_webhook("https://a.example", room=None, under=None, made_ms=at_ms) for at_ms in (10, 20))
        async with self.opened(tmp_path) as hooks:
            assert await hooks.remove(one.id) is None
            await hooks.add(one)
            await hooks.add(other)
            assert await hooks.remove(one.id) == one
            assert await hooks.remove(one.id) is None
            assert list(await hooks.listed()) == [other]
