"""Changes of members on a running host: in effect at once, never cut in between, and on a clock that a test turns."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from crdt_sync_server import sharing as sharing_module
from crdt_sync_server.errors import NoSuchInvitation, RoomDeleted, SharingError, StoreError
from crdt_sync_server.host import Host
from crdt_sync_server.ports import Role
from crdt_sync_server.roster import Actor, Change, Decision, Roster
from crdt_sync_server.sharing import Sharing
from crdt_sync_server.stores.memory import MemoryStore
from crdt_sync_server.stores.memory_members import MemoryMembers

pytestmark = pytest.mark.anyio
ADA, BOB = Actor("ada", "Ada"), Actor("bob", "Bob")


class Desk:
    """A host whose regrades are listed, and its sharing."""

    def __init__(self, host: Host, members: MemoryMembers) -> None:
        self.now_ms = 1_000_000
        self.host, self.members = host, members
        self.sharing = Sharing(host, members, wall_ms=lambda: self.now_ms)
        self.regraded: list[tuple[str, str, Role | None]] = []
        host.regrade = lambda *what: self.regraded.append(what)  # type: ignore[method-assign]


@asynccontextmanager
async def desk(members: MemoryMembers | None = None) -> AsyncIterator[Desk]:
    host = Host(MemoryStore(), now=time.monotonic)
    async with host.running():
        with anyio.fail_after(20):
            yield Desk(host, members or MemoryMembers())
        await host.stop()


async def test_an_invitation_ends_to_the_millisecond() -> None:
    async with desk() as at:
        room = (await at.sharing.found(ADA, "x")).room
        made, token = await at.sharing.invite(room, ADA, Role.READER, 60, None)
        at.now_ms = made.expires_ms - 1
        assert [each.id for each in await at.sharing.open_invitations(room)] == [made.id]
        assert (await at.sharing.accept(BOB, token)).role is Role.READER
        at.now_ms = made.expires_ms
        assert await at.sharing.open_invitations(room) == []
        with pytest.raises(NoSuchInvitation):
            await at.sharing.accept(Actor("cy"), token)


async def test_each_change_of_a_role_is_told_to_the_host_and_nothing_else_is() -> None:
    async with desk() as at:
        room = (await at.sharing.found(ADA, "x")).room
        _, token = await at.sharing.invite(room, ADA, Role.READER, 60, None)
        await at.sharing.rename(room, ADA, "y")
        await at.sharing.accept(BOB, token)
        await at.sharing.accept(BOB, token)
        await at.sharing.set_role(room, ADA, "bob", Role.EDITOR)
        await at.sharing.set_role(room, ADA, "bob", Role.EDITOR)
        await at.sharing.remove(room, BOB, "bob")
        assert at.regraded == [
            (room, "ada", Role.OWNER), (room, "bob", Role.READER), (room, "bob", Role.EDITOR), (room, "bob", None),
        ]  # fmt: skip


class Slow(MemoryMembers):
    """Members that are stored, and only then say so."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = anyio.Event()
        self.goes_on.set()
        self.is_stored = anyio.Event()

    async def change(self, room: str, decide: Callable[[Roster], Decision[Any]]) -> Change[Any]:
        change = await super().change(room, decide)
        self.is_stored.set()
        await self.goes_on.wait()
        return change


async def test_who_stops_waiting_does_not_keep_a_change_from_taking_effect() -> None:
    members = Slow()
    async with desk(members) as at:
        room = (await at.sharing.found(ADA, "x")).room
        _, token = await at.sharing.invite(room, ADA, Role.EDITOR, 60, None)
        await at.sharing.accept(BOB, token)
        members.goes_on, members.is_stored = anyio.Event(), anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(at.sharing.remove, room, ADA, "bob")
            await members.is_stored.wait()
            tasks.cancel_scope.cancel()
            members.goes_on.set()
        assert at.regraded[-1] == (room, "bob", None)


async def test_a_deletion_that_was_cut_after_the_document_is_ended_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk() as at:
        room = (await at.sharing.found(ADA, "x")).room
        put_away = at.sharing.put_away

        async def fails(room: str, actor: Actor) -> None:
            raise StoreError("the disk is full")

        monkeypatch.setattr(at.sharing, "put_away", fails)
        with pytest.raises(StoreError):
            await at.sharing.delete(room, ADA)
        with pytest.raises(RoomDeleted):
            await at.sharing.living(room)
        monkeypatch.setattr(at.sharing, "put_away", put_away)
        await at.sharing.delete(room, ADA)
        assert await at.sharing.rooms("ada") == []
        with pytest.raises(RoomDeleted):
            await at.sharing.delete(room, ADA)


async def test_one_owns_so_many_groups_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing_module, "MAX_GROUPS", 2)
    async with desk() as at:
        first = (await at.sharing.found(ADA, "1")).room
        await at.sharing.found(ADA, "2")
        with pytest.raises(SharingError, match="at most 2 groups"):
            await at.sharing.found(ADA, "3")
        await at.sharing.delete(first, ADA)
        await at.sharing.found(ADA, "3")
