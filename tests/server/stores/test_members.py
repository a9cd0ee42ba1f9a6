"""Members in memory and in SQLite: one contract, and whatever is done in any order comes to the same in both."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from crdt_sync_server import membership as rules
from crdt_sync_server.conformance_members import MembersContract
from crdt_sync_server.errors import RelayError
from crdt_sync_server.keepers import Members
from crdt_sync_server.ports import Role
from crdt_sync_server.roster import OPERATOR, Actor
from crdt_sync_server.stores.memory_members import MemoryMembers
from crdt_sync_server.stores.sqlite import SqliteStore

SUBJECTS = ["ada", "ben", "eve", "Zoë 🐢"]
ROOMS = ["g/one", "g/two", "u/ada", "u/ada/books", "legacy"]


@pytest.mark.anyio
class TestMemoryMembers(MembersContract):
    keeps = False

    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[Members]:
        yield MemoryMembers()


@pytest.mark.anyio
class TestSqliteMembers(MembersContract):
    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[Members]:
        store = await SqliteStore.open(folder / "relay.sqlite3", durability="normal")
        yield store.members
        await store.close()


class MembersMachine(RuleBasedStateMachine):
    """Every change is made in both; what they say of it, and what they keep, must be the same."""

    invitations = Bundle("invitations")

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.memory = MemoryMembers()
        self.store = self.runner.run(SqliteStore.open(self.folder / "relay.sqlite3", durability="normal"))
        self.now_ms = 1
        self.made = 0

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.runner.run(self.store.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    def both(self, room: str, decide: object, **arguments: object) -> object:
        """Return what came of it, which must be one thing."""
        self.now_ms += 1
        bound = partial(decide, now_ms=self.now_ms, **arguments)  # type: ignore[arg-type, operator]
        outcomes = []
        for members in (self.memory, self.store.members):
            try:
                outcomes.append(self.runner.run(members.change(room, bound)))  # type: ignore[attr-defined]
            except RelayError as error:
                outcomes.append((type(error), str(error)))
        assert outcomes[0] == outcomes[1]
        return outcomes[0]

    @rule(room=st.sampled_from(ROOMS[:2]), subject=st.sampled_from(SUBJECTS), name=st.text(max_size=5))
    def found(self, room: str, subject: str, name: str) -> None:
        self.both(room, rules.found, actor=Actor(subject, name), name=name)

    @rule(
        target=invitations,
        room=st.sampled_from(ROOMS),
        subject=st.sampled_from(SUBJECTS),
        role=st.sampled_from(Role),
        lifetime_s=st.sampled_from([60, 3600, 1]),
        uses=st.sampled_from([None, 1, 2, 0]),
    )
    def invite(self, room: str, subject: str, role: Role, lifetime_s: int, uses: int | None) -> object:
        self.made += 1
        made = f"invitation {self.made}"
        self.both(
            room, rules.invite, actor=Actor(subject), invitation_id=made, role=role, lifetime_s=lifetime_s, uses=uses
        )
        return multiple((room, made))

    @rule(invitation=invitations, subject=st.sampled_from(SUBJECTS))
    def accept(self, invitation: tuple[str, str], subject: str) -> None:
        room, made = invitation
        self.both(room, rules.accept, actor=Actor(subject, subject.title()), invitation_id=made)

    @rule(invitation=invitations, subject=st.sampled_from(SUBJECTS))
    def revoke(self, invitation: tuple[str, str], subject: str) -> None:
        room, made = invitation
        self.both(room, rules.revoke, actor=Actor(subject), invitation_id=made)

    @rule(
        room=st.sampled_from(ROOMS),
        actor=st.sampled_from([OPERATOR, *map(Actor, SUBJECTS)]),
        subject=st.sampled_from(SUBJECTS),
        role=st.sampled_from(Role),
    )
    def set_role(self, room: str, actor: Actor, subject: str, role: Role) -> None:
        self.both(room, rules.set_role, actor=actor, subject=subject, role=role)

    @rule(
        room=st.sampled_from(ROOMS),
        actor=st.sampled_from([OPERATOR, *map(Actor, SUBJECTS)]),
        subject=st.sampled_from(SUBJECTS),
    )
    def remove(self, room: str, actor: Actor, subject: str) -> None:
        self.both(room, rules.remove, actor=actor, subject=subject)

    @rule(room=st.sampled_from(ROOMS), subject=st.sampled_from(SUBJECTS))
    def delete(self, room: str, subject: str) -> None:
        self.both(room, rules.delete, actor=Actor(subject))

    @rule(seconds=st.sampled_from([30, 3600]))
    def wait(self, seconds: int) -> None:
        self.now_ms += seconds * 1000

    @rule()
    def open_again(self) -> None:
        self.runner.run(self.store.close())
        self.store = self.runner.run(SqliteStore.open(self.folder / "relay.sqlite3", durability="normal"))

    @invariant()
    def both_keep_the_same_and_every_group_has_an_owner(self) -> None:
        if hasattr(self, "store"):
            self.runner.run(self._compare())

    async def _compare(self) -> None:
        memory, file = self.memory, self.store.members
        for room in ROOMS:
            roster = await memory.roster(room)
            assert await file.roster(room) == roster
            for subject in SUBJECTS:
                assert await file.role(room, subject) == await memory.role(room, subject) == roster.role(subject)
            if room.startswith("g/") and roster.made_ms is not None:
                assert Role.OWNER in [each.role for each in roster.members.values()]
            if room.startswith("u/"):
                assert Role.OWNER not in [each.role for each in roster.members.values()]
                assert "ada" not in roster.members
        assert await file.memberships() == await memory.memberships()
        assert await file.memberships("ben") == await memory.memberships("ben")
        assert await file.audit(most=1000) == await memory.audit(most=1000)


TestMembersMachine = MembersMachine.TestCase
TestMembersMachine.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
