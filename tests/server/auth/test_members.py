from __future__ import annotations

from functools import partial

import pytest

from crdt_sync_server import membership as rules
from crdt_sync_server.auth.members import MembersAuthority
from crdt_sync_server.ports import Identity, Role
from crdt_sync_server.roster import OPERATOR
from crdt_sync_server.stores.memory_members import MemoryMembers

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("room", ["u/ada", "u/ada/", "u/ada/shelf", "u/ada/a/b"])
async def test_a_subject_owns_its_rooms(room: str) -> None:
    assert await MembersAuthority(MemoryMembers()).role(Identity("ada"), room) is Role.OWNER


@pytest.mark.parametrize("room", ["", "ada", "u/", "u", "u/ad", "u/adam", "u/bob", "u/bob/ada", "U/ada", "x/u/ada"])
async def test_and_no_other(room: str) -> None:
    assert await MembersAuthority(MemoryMembers()).role(Identity("ada"), room) is None


@pytest.mark.parametrize("subject", [None, "", "bob/ada", "/", "bob/", "bob%2Fada", "%"])
async def test_a_subject_that_would_reach_into_rooms_of_another_owns_none_of_them(subject: str | None) -> None:
    for room in ("u/", "u//", "u/bob/ada", "u/bob/", "u/bob%2Fada/x".replace("%2F", "/"), "u/%"):
        assert await MembersAuthority(MemoryMembers()).role(Identity(subject), room) is None


@pytest.mark.parametrize(
    ("subject", "room"), [("bob/ada", "u/bob%2Fada"), ("bob%2Fada", "u/bob%252Fada"), ("100%", "u/100%25")]
)
async def test_a_subject_with_a_slash_owns_a_room_of_its_own(subject: str, room: str) -> None:
    authority = MembersAuthority(MemoryMembers())
    assert await authority.role(Identity(subject), f"{room}/books") is Role.OWNER
    for other in ("bob", "bob/ada", "bob%2Fada", "100%"):
        if other != subject:
            assert await authority.role(Identity(other), room) is None


async def test_a_member_has_the_role_it_was_given_there_alone() -> None:
    members = MemoryMembers()
    decide = partial(rules.set_role, actor=OPERATOR, subject="ben", role=Role.READER, now_ms=1)
    await members.change("u/ada/books", decide)
    roles = [
        await MembersAuthority(members).role(Identity("ben"), room)
        for room in ("u/ada/books", "u/ada", "u/ada/books/x")
    ]
    assert roles == [Role.READER, None, None]
