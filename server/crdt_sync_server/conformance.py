"""What every adapter of a port must do, as test classes. Subclass one, say how to open the adapter, run pytest:

@pytest.mark.anyio
class TestMyStore(StoreContract):
    @asynccontextmanager
    async def opened(self, folder):
        store = await MyStore.open(folder / "data")
        yield store
        await store.close()
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import anyio

from crdt_sync_server.errors import Forbidden, Unauthenticated
from crdt_sync_server.ports import Authenticator, ConnectRequest, Grant, Store

__all__ = ["AuthenticatorContract", "StoreContract"]


class StoreContract:
    """The rules of `ports.Store`. A store without `keeps` forgets with its process."""

    keeps = True

    def opened(self, folder: Path) -> AbstractAsyncContextManager[Store]:
        """Return a block in which the store of `folder` is open."""
        raise NotImplementedError

    async def test_an_unknown_room_is_empty(self, tmp_path: Path) -> None:
        """No updates, position 0."""
        async with self.opened(tmp_path) as store:
            stored = await store.load("nobody was here")
            assert (list(stored.updates), stored.position, stored.log_length) == ([], 0, 0)

    async def test_updates_come_back_in_order_and_rooms_are_apart(self, tmp_path: Path) -> None:
        """What is appended to one room is loaded from it, in order, and from no other."""
        async with self.opened(tmp_path) as store:
            for number in range(5):
                await store.append("a", b"a%d" % number)
                await store.append("a/b", b"b%d" % number)
            stored = await store.load("a")
            assert list(stored.updates) == [b"a%d" % number for number in range(5)]
            assert stored.log_length == 5
            assert list((await store.load("a/b")).updates) == [b"b%d" % number for number in range(5)]

    async def test_positions_rise_in_the_order_of_the_commits(self, tmp_path: Path) -> None:
        """Whoever has read up to a position misses nothing below it, though many append at once."""
        positions: dict[int, int] = {}
        async with self.opened(tmp_path) as store:

            async def append(number: int) -> None:
                positions[number] = await store.append("room", b"%d" % number)

            async with anyio.create_task_group() as tasks:
                for number in range(50):
                    tasks.start_soon(append, number)
            stored = await store.load("room")
            order = sorted(positions, key=lambda number: positions[number])
            assert [int(update) for update in stored.updates] == order
            assert stored.position == max(positions.values())
            assert len(set(positions.values())) == 50

    async def test_compaction_keeps_what_came_after(self, tmp_path: Path) -> None:
        """The segments stand in the place of the updates that they hold, and later ones follow them."""
        async with self.opened(tmp_path) as store:
            for number in range(3):
                through = await store.append("room", b"%d" % number)
            last = await store.append("room", b"late")
            await store.append("other", b"untouched")
            for segments in ([b"one", b"two"], [b"all"]):
                await store.compact("room", segments, through)
                stored = await store.load("room")
                assert (list(stored.updates), stored.position) == ([*segments, b"late"], last)
                assert stored.log_length == 1
            await store.compact("room", [b"everything"], last)
            assert (await store.load("room")).position == last
            assert await store.append("room", b"next") > last
            assert list((await store.load("room")).updates) == [b"everything", b"next"]
            assert list((await store.load("other")).updates) == [b"untouched"]

    async def test_what_was_appended_is_there_after_a_restart(self, tmp_path: Path) -> None:
        """A store that keeps finds everything again."""
        async with self.opened(tmp_path) as store:
            position = await store.append("Räume/日本 🙂", bytes(range(256)) * 1000)
            await store.check()
        if self.keeps:
            async with self.opened(tmp_path) as store:
                stored = await store.load("Räume/日本 🙂")
                assert (list(stored.updates), stored.position) == ([bytes(range(256)) * 1000], position)


class AuthenticatorContract:
    """The rules of `ports.Authenticator`."""

    def authenticator(self) -> Authenticator:
        """Return the authenticator."""
        raise NotImplementedError

    def welcome(self) -> list[ConnectRequest]:
        """Return requests that are let in."""
        raise NotImplementedError

    def unwelcome(self) -> list[ConnectRequest]:
        """Return requests that are not."""
        raise NotImplementedError

    async def test_who_is_welcome_gets_a_grant(self) -> None:
        """The same request gets the same grant."""
        for request in self.welcome():
            grant = await self.authenticator().authenticate(request)
            assert isinstance(grant, Grant)
            assert grant == await self.authenticator().authenticate(request)

    async def test_who_is_not_is_told_why(self) -> None:
        """A refusal has words, and none of them is the query, where a token may stand."""
        for request in self.unwelcome():
            try:
                await self.authenticator().authenticate(request)
            except (Unauthenticated, Forbidden) as error:
                assert str(error)
                assert not request.query or request.query not in str(error)
            else:
                raise AssertionError(f"{request} was let in")
