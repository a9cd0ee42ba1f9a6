"""Changes whose commit fails without a word on what became of it: who is there goes on with what the store says."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from pycrdt import Doc

from crdt_sync.protocol.close_codes import CloseCode, Retry, retry_after
from crdt_sync.protocol.messages import Barrier, SyncUpdate, encode
from crdt_sync_server.auth.members import MembersAuthority
from crdt_sync_server.errors import Forbidden, StoreError
from crdt_sync_server.host import Host
from crdt_sync_server.keepers import Members, Tokens
from crdt_sync_server.outbox import Closing
from crdt_sync_server.poll_sessions import PollSession
from crdt_sync_server.ports import Grant, Role
from crdt_sync_server.rooms import threads_of
from crdt_sync_server.roster import Actor, Change, Decision, Roster
from crdt_sync_server.sharing import Sharing
from crdt_sync_server.stores.sqlite import SqliteStore
from crdt_sync_server.token_desk import TokenDesk
from crdt_sync_server.tokens import AccessToken
from tests.server.api.test_documents import edited

pytestmark = pytest.mark.anyio
ADA, BOB = Actor("ada"), Actor("bob")


class Unsure:
    """`keepers.Members` of a file, whose changes can fail before or after their commit, and whose reads can fail."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self.fails: str | None = None
        self.is_down = False
        self.meanwhile: Callable[[], Any] | None = None

    async def change(self, room: str, decide: Callable[[Roster], Decision[Any]]) -> Change[Any]:
        if self.fails == "before":
            raise StoreError("the disk did not answer")
        change = await self._members.change(room, decide)
        if self.fails == "after":
            raise StoreError("the disk did not answer")
        return change

    async def roster(self, room: str) -> Roster:
        if self.is_down:
            raise StoreError("the disk does not answer")
        roster = await self._members.roster(room)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return roster

    def __getattr__(self, name: str) -> Any:
        return getattr(self._members, name)


class Scene:
    """A group of ada's in which bob edits, and both are connected, bob to its threads too."""

    def __init__(self, host: Host, members: Unsure, sharing: Sharing, room: str) -> None:
        self.host, self.members, self.sharing, self.room = host, members, sharing, room
        self.threads = threads_of(room) or ""
        self.ada = self.peer("ada", Role.OWNER)
        self.bob = self.peer("bob", Role.EDITOR)
        self.bob_reads = self.peer("bob", Role.READER, self.threads)
        self.stranger = self.peer("bob", Role.EDITOR, "u/bob")

    def peer(self, subject: str, role: Role, room: str | None = None, token_id: str | None = None) -> PollSession:
        return PollSession(
            self.host.room(room or self.room),
            grant=Grant(subject, role is Role.READER, role, as_of=self.host.roles_changed, token_id=token_id),
            client=None,
            max_message_bytes=10_000,
            now=time.monotonic,
            limits=self.host.limits,
        )


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    store = await SqliteStore.open(folder / "relay.sqlite3", durability="normal")
    host, members = Host(store, now=time.monotonic), Unsure(store.members)
    host.authority, host.tokens = MembersAuthority(members), store.tokens
    sharing = Sharing(host, members)
    async with host.running():
        with anyio.fail_after(20):
            room = (await sharing.found(ADA, "x")).room
            _, token = await sharing.invite(room, ADA, Role.EDITOR, 60, None)
            await sharing.accept(BOB, token)
            here = Scene(host, members, sharing, room)
            for peer in (here.ada, here.bob, here.bob_reads, here.stranger):
                await peer._room.enter(peer)
            yield here
        await host.stop()
    await store.close()


async def ending(peer: PollSession) -> Closing | None:
    """Return how the relay ends a peer, once all has been done that could be."""
    await anyio.wait_all_tasks_blocked()
    while (item := peer.outbox.next()) is not None:
        if isinstance(item, Closing):
            return item
    return None


async def test_a_removal_that_was_stored_closes_who_was_removed(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        late = here.peer("bob", Role.EDITOR)
        here.members.fails = "after"
        with pytest.raises(StoreError):
            await here.sharing.remove(here.room, ADA, "bob")
        for peer in (here.bob, here.bob_reads):
            assert (end := await ending(peer)) is not None
            assert end.code is CloseCode.FORBIDDEN
        for peer in (here.ada, here.stranger):
            assert await ending(peer) is None
        with pytest.raises(Forbidden):
            await late._room.enter(late)


async def test_a_removal_that_was_not_stored_changes_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        here.members.fails = "before"
        with pytest.raises(StoreError):
            await here.sharing.remove(here.room, ADA, "bob")
        for peer in (here.ada, here.bob, here.bob_reads, here.stranger):
            assert await ending(peer) is None
        assert not here.bob.read_only


async def test_a_reader_made_by_a_change_that_was_stored_edits_nothing_more(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        here.members.fails = "after"
        with pytest.raises(StoreError):
            await here.sharing.set_role(here.room, ADA, "bob", Role.READER)
        assert here.bob.read_only
        await here.bob._hear(encode(SyncUpdate(edited(Doc(), by="bob"))) + encode(Barrier(1)))
        assert (end := await ending(here.bob)) is not None
        assert end.code is CloseCode.FORBIDDEN
        assert here.host.room(here.room).position == 0, "nothing of it is stored"
        assert await ending(here.bob_reads) is None


async def test_where_the_store_cannot_be_asked_all_of_the_room_are_closed_and_come_back(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        here.members.fails, here.members.is_down = "after", True
        with pytest.raises(StoreError):
            await here.sharing.remove(here.room, ADA, "bob")
        for peer in (here.ada, here.bob, here.bob_reads):
            assert (end := await ending(peer)) is not None
            assert retry_after(end.code) is Retry.BACK_OFF
        assert await ending(here.stranger) is None
        assert here.host.connections(here.room) == 0


async def test_a_change_that_comes_between_the_question_and_its_answer_counts(tmp_path: Path) -> None:
    """The answer is of before it, so the store is asked again."""
    async with scene(tmp_path) as here:
        here.members.fails = "before"

        async def meanwhile() -> None:
            here.members.fails = None
            await here.sharing.set_role(here.room, ADA, "bob", Role.READER)

        here.members.meanwhile = meanwhile
        with pytest.raises(StoreError):
            await here.sharing.remove(here.room, ADA, "bob")
        assert here.bob.read_only
        assert await ending(here.bob) is None


class UnsureTokens:
    """`keepers.Tokens` whose revocations fail after the commit, and which can be down."""

    def __init__(self, tokens: Tokens, fails: str) -> None:
        self._tokens, self._fails, self._is_down = tokens, fails, False

    async def revoke(self, token_id: str, at_ms: int) -> AccessToken | None:
        self._is_down = self._fails == "after, and is down"
        if self._fails != "before":
            await self._tokens.revoke(token_id, at_ms)
        raise StoreError("the disk did not answer")

    async def listed(self, subject: str | None = None) -> Any:
        if self._is_down:
            raise StoreError("the disk does not answer")
        return await self._tokens.listed(subject)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokens, name)


@pytest.mark.parametrize(
    ("fails", "code"),
    [("before", None), ("after", CloseCode.UNAUTHENTICATED), ("after, and is down", CloseCode.OVERLOADED)],
)
async def test_a_revocation_of_which_nobody_knows_closes_as_the_store_says(
    fails: str, code: CloseCode | None, tmp_path: Path
) -> None:
    async with scene(tmp_path) as here:
        assert here.host.tokens is not None
        desk = TokenDesk(UnsureTokens(here.host.tokens, fails), here.host, here.members)
        made = await desk.answer({"what": "create", "subject": "bob", "name": None, "lifetime_s": None})
        peer = here.peer("bob", Role.EDITOR, "u/bob", made["id"])
        await peer._room.enter(peer)
        with pytest.raises(StoreError):
            await desk.answer({"what": "revoke", "id": made["id"]})
        end = await ending(peer)
        assert (end and end.code) == code
        assert await ending(here.stranger) is None, "who came by another"
