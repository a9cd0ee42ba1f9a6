"""The contract of `RoomStore`: a store that deletes rooms for good, and knows what is in it."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Protocol

import anyio

from crdt_sync.errors import CrdtSyncError
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.testing.contracts.store import StoreContract, Stored

__all__ = ["OwnedStored", "RoomRecord", "RoomStore", "RoomStoreContract"]


class OwnedStored(Stored, Protocol):
    """What a store holds of a room, and whose it is."""

    @property
    def owner(self) -> str | None:
        """The subject whose storage the room counts for, if it has one."""


class RoomRecord(Protocol):
    """What a store knows of a room without reading it."""

    @property
    def name(self) -> str:
        """The room."""

    @property
    def owner(self) -> str | None:
        """The subject whose storage it counts for, if it has one."""

    @property
    def size_bytes(self) -> int:
        """What is stored of it."""

    @property
    def log_length(self) -> int:
        """How many updates follow the snapshot."""

    @property
    def changed_ms(self) -> int | None:
        """When it was last appended to, if that is known."""

    @property
    def deleted_ms(self) -> int | None:
        """When it was deleted, if it was."""


class RoomStore(Protocol):
    """The ports, as the contract needs them; `crdt_sync_server.ports` says more."""

    async def load(self, room: str) -> OwnedStored:
        """Return all that is stored of `room`."""

    async def append(self, room: str, update: bytes, owner: str | None = None) -> int:
        """Store `update` and return its position, once it is durable."""

    async def compact(self, room: str, segments: Sequence[bytes], through: int) -> None:
        """Put `segments` in the place of all updates up to the position `through`."""

    async def delete(self, room: str) -> None:
        """Erase all that is stored of `room` and keep a tombstone."""

    async def check(self) -> None:
        """Return if the store can write now."""

    async def rooms(self, name: str | None = None) -> Sequence[RoomRecord]:
        """Return the records of all rooms by name, or of one."""

    async def under(self, room: str) -> Sequence[RoomRecord]:
        """Return the records of `room` and of all rooms under it, by name."""

    async def usage(self, owner: str) -> int:
        """Return the bytes that are stored of all rooms of `owner`."""

    async def damage(self) -> Sequence[str]:
        """Return what is wrong with the medium."""

    async def erased(self) -> bool:
        """Take what was deleted or put together before off the medium; return whether nothing of it can be left."""


class RoomStoreContract(StoreContract):
    """The rules of `RoomStore`, and those of `Store`. What is refused has the close code 4404."""

    erases = True
    """False for a store whose medium keeps for a while what was erased, as the log of a server does: it must say so."""

    def opened(self, folder: Path) -> AbstractAsyncContextManager[RoomStore]:
        """Return a block in which the store of `folder` is open."""
        raise NotImplementedError

    async def test_a_deleted_room_is_gone_for_good(self, tmp_path: Path) -> None:
        """Nothing of it is left, nothing comes back in whatever way, and only its tombstone is listed."""
        async with self.opened(tmp_path) as store:
            through = await store.append("room", b"secret")
            await store.append("other", b"kept")
            await store.delete("room")
            await self._is_deleted(store, through)
            await store.delete("room")
            await store.delete("never was there")
        if self.keeps:
            async with self.opened(tmp_path) as store:
                await self._is_deleted(store, through)
                assert [each.name for each in await store.rooms()] == ["never was there", "other", "room"]

    async def test_what_was_erased_is_nowhere_in_the_folder_any_more(self, tmp_path: Path) -> None:
        """What was deleted, and what a snapshot has replaced, leaves every file, while the store is open."""
        async with self.opened(tmp_path) as store:
            for number in range(200):
                await store.append("room", b"regretted %d" % number)
                through = await store.append("other", b"regretted %d" % number * 1000)
            await store.compact("other", [b"kept"], through)
            await store.delete("room")
            assert await store.erased() is self.erases
            assert await store.erased() is self.erases, "a second time is no error"
            assert _files_with(b"regretted", tmp_path) == []
            assert list((await store.load("other")).updates) == [b"kept"]

    async def _is_deleted(self, store: RoomStore, through: int) -> None:
        """Nobody can read or write the room, and another room of the same batch is not concerned."""

        async def append() -> None:
            await _refused_as_deleted(store.append("room", b"late"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(append)
            tasks.start_soon(store.append, "other", b"more")
            tasks.start_soon(append)
        await _refused_as_deleted(store.load("room"))
        await _refused_as_deleted(store.compact("room", [b"late"], through))
        (record,) = await store.rooms("room")
        assert (record.size_bytes, record.log_length) == (0, 0)
        assert record.deleted_ms is not None
        assert b"more" in (await store.load("other")).updates

    async def test_a_room_that_is_deleted_while_its_snapshot_is_stored_stays_deleted(self, tmp_path: Path) -> None:
        """Whichever comes first: nothing of the snapshot is left."""
        async with self.opened(tmp_path) as store:
            through = await store.append("room", b"secret", "ada")
            await store.append("other", b"kept")

            async def compact() -> None:
                with suppress(CrdtSyncError):
                    await store.compact("room", [b"secret" * 100_000] * 4, through)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(compact)
                tasks.start_soon(store.delete, "room")
            await self._is_deleted(store, through)
            assert await store.usage("ada") == 0
            assert list(await store.damage()) == []

    async def test_records_say_what_is_stored(self, tmp_path: Path) -> None:
        """Bytes, updates and owner follow appends and compaction; an owner's usage is the sum of its rooms."""
        async with self.opened(tmp_path) as store:
            await store.append("b", b"12345", "ada")
            through = await store.append("b", b"67890", "ben")
            await store.append("b", b"x")
            await store.append("a", b"123", "ada")
            await store.append("c", b"1")
            first, second, third = await store.rooms()
            assert (first.name, first.owner, first.size_bytes, first.log_length) == ("a", "ada", 3, 1)
            assert (second.name, second.owner, second.size_bytes, second.log_length) == ("b", "ada", 11, 3)
            assert (third.owner, third.deleted_ms) == (None, None)
            assert second.changed_ms is not None
            assert [await store.usage(owner) for owner in ("ada", "ben")] == [14, 0]
            assert (await store.load("b")).owner == "ada"
            await store.compact("b", [b"12", b"3"], through)
            assert await store.rooms("b") != [second]
            (record,) = await store.rooms("b")
            assert (record.owner, record.size_bytes, record.log_length) == ("ada", 4, 1)
            assert await store.usage("ada") == 7
            await store.delete("b")
            assert await store.usage("ada") == 3
            assert list(await store.rooms("unknown")) == []
            assert list(await store.damage()) == []

    async def test_rooms_under_a_name_are_those_behind_a_slash(self, tmp_path: Path) -> None:
        """And the room itself; no other name that begins alike, whatever follows in it."""
        async with self.opened(tmp_path) as store:
            names = [
                "u/a",
                "u/a/b",
                "u/a/\u00e9",
                "u/a/b/c",
                "u/a-",
                "u/a.b",
                "u/a0",
                "u/ab",
                "u/A/b",
                "u",
                "u/a_/b",
                "u/a%",
            ]
            for name in names:
                await store.append(name, b"x")
            await store.delete("u/a/b")
            assert [each.name for each in await store.under("u/a")] == ["u/a", "u/a/b", "u/a/b/c", "u/a/\u00e9"]
            assert list(await store.under("u/nobody")) == []


async def _refused_as_deleted(call: Awaitable[object]) -> None:
    try:
        await call
    except CrdtSyncError as error:
        assert getattr(error, "close_code", None) == CloseCode.DELETED
        return
    raise AssertionError("a deleted room was read or written")


def _files_with(words: bytes, folder: Path) -> list[str]:
    return [each.name for each in folder.rglob("*") if each.is_file() and words in each.read_bytes()]
