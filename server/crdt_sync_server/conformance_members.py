"""What every keeper of members must do, as a test class: `keepers.Members`, under the rules of `membership`.

Subclass it, give a block in which the adapter of a folder is open, and run pytest.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from crdt_sync_server import membership as rules
from crdt_sync_server.errors import LastOwner, NoSuchInvitation, SharingError
from crdt_sync_server.keepers import Members
from crdt_sync_server.ports import Role
from crdt_sync_server.roster import OPERATOR, Actor, Decision, Entry, Membership, Roster

__all__ = ["MembersContract"]

ADA, BEN, EVE = Actor("ada", "Ada"), Actor("ben"), Actor("eve")
ROOM = "g/room"


class MembersContract:
    """The rules of `keepers.Members`."""

    keeps = True
    """False for an adapter that forgets with its process."""

    def opened(self, folder: Path) -> AbstractAsyncContextManager[Members]:
        """Return a block in which the members of `folder` can be asked for."""
        raise NotImplementedError

    async def test_what_was_decided_is_kept(self, tmp_path: Path) -> None:
        """Whole, over a restart too, with its audit; and it is found by room and by subject."""
        async with self.opened(tmp_path) as members:
            await _group(members, uses=None)
            await members.change(ROOM, partial(rules.accept, actor=BEN, invitation_id="i", now_ms=30))
            await members.change(
                "u/ada", partial(rules.set_role, actor=OPERATOR, subject="ben", role=Role.READER, now_ms=40)
            )
            roster, key = await members.roster(ROOM), await members.key()
            assert (roster.name, roster.made_by, roster.made_ms) == ("Readers", "ada", 10)
            assert roster.invitations["i"].used_by == {"ben"}
            await self._is_kept(members, roster, key)
        if self.keeps:
            async with self.opened(tmp_path) as members:
                await self._is_kept(members, roster, key)

    async def _is_kept(self, members: Members, roster: Roster, key: bytes) -> None:
        assert await members.roster(ROOM) == roster
        assert await members.key() == key
        assert await members.roster("unknown") == Roster("unknown")
        of_ben = [
            Membership(ROOM, "ben", Role.EDITOR, 30, "Readers"),
            Membership("u/ada", "ben", Role.READER, 40),
        ]
        assert list(await members.memberships("ben")) == of_ben
        assert list(await members.memberships()) == [Membership(ROOM, "ada", Role.OWNER, 10, "Readers"), *of_ben]
        assert list(await members.memberships("nobody")) == []
        roles = [await members.role(ROOM, who) for who in ("ada", "ben", "eve")]
        assert roles == [Role.OWNER, Role.EDITOR, None]
        assert [await members.role("u/ada/books", who) for who in ("ada", "ben")] == [Role.OWNER, None]
        entries = [entry for _, entry in await members.audit()]
        assert [(each.who, each.what, each.about) for each in entries] == [
            (None, "role", "ben"), ("ben", "accept", "ben"), ("ada", "invite", None), ("ada", "create", "ada"),
        ]  # fmt: skip

    async def test_what_is_refused_changes_nothing(self, tmp_path: Path) -> None:
        """Neither the roster nor the audit, and the error comes out as it is."""
        async with self.opened(tmp_path) as members:
            await _group(members, uses=1)
            before, audit = await members.roster(ROOM), await members.audit()
            decisions: tuple[Callable[[Roster], Decision[Any]], ...] = (
                partial(rules.remove, actor=ADA, subject="ada", now_ms=50),
                partial(rules.set_role, actor=ADA, subject="ada", role=Role.READER, now_ms=50),
            )
            for decide in decisions:
                try:
                    await members.change(ROOM, decide)
                except LastOwner:
                    pass
                else:
                    raise AssertionError("the last owner could go")
            assert await members.roster(ROOM) == before
            assert await members.audit() == audit

    async def test_of_many_who_accept_at_once_as_many_win_as_may(self, tmp_path: Path) -> None:
        """One for a single use, whatever the order; the others are told, and are no members."""
        async with self.opened(tmp_path) as members:
            await _group(members, uses=1)
            won: list[str] = []

            async def accept(subject: str) -> None:
                decide = partial(rules.accept, actor=Actor(subject), invitation_id="i", now_ms=30)
                with suppress(NoSuchInvitation):
                    won.append((await members.change(ROOM, decide)).value.subject)

            async with anyio.create_task_group() as tasks:
                for number in range(10):
                    tasks.start_soon(accept, f"guest {number}")
            assert len(won) == 1
            assert set((await members.roster(ROOM)).members) == {"ada", *won}

    async def test_an_invitation_that_is_revoked_is_gone_with_who_used_it(self, tmp_path: Path) -> None:
        """Nobody accepts it any more; who has accepted it stays."""
        async with self.opened(tmp_path) as members:
            await _group(members, uses=5)
            await members.change(ROOM, partial(rules.accept, actor=BEN, invitation_id="i", now_ms=30))
            await members.change(ROOM, partial(rules.revoke, actor=ADA, invitation_id="i", now_ms=40))
            try:
                await members.change(ROOM, partial(rules.accept, actor=EVE, invitation_id="i", now_ms=50))
            except SharingError:
                pass
            else:
                raise AssertionError("a revoked invitation was accepted")
            roster = await members.roster(ROOM)
            assert (set(roster.members), roster.invitations) == ({"ada", "ben"}, {})

    async def test_the_audit_is_read_backwards_in_pages(self, tmp_path: Path) -> None:
        """By room and by subject; each entry has a number of its own, and later ones have higher ones."""
        async with self.opened(tmp_path) as members:

            def entered(roster: Roster, number: int) -> Decision[None]:
                who = "ada" if number % 2 else None
                return Decision(roster, None, (Entry(number, who, "note", roster.room, f"subject {number % 3}", "x"),))

            for number in range(20):
                await members.change(f"room {number % 2}", partial(entered, number=number))
            everything = await members.audit(most=100)
            assert [entry.at_ms for _, entry in everything] == list(range(19, -1, -1))
            numbers = [number for number, _ in everything]
            assert numbers == sorted(set(numbers), reverse=True)
            paged: list[tuple[int, Entry]] = []
            while page := await members.audit(before=paged[-1][0] if paged else None, most=7):
                paged += page
            assert paged == list(everything)
            assert [entry.at_ms for _, entry in await members.audit(room="room 1", most=3)] == [19, 17, 15]
            assert [entry.at_ms for _, entry in await members.audit(subject="subject 1", most=3)] == [19, 16, 13]
            assert [entry.at_ms for _, entry in await members.audit(subject="ada", most=2)] == [19, 17]
            assert list(await members.audit(room="room 1", subject="nobody")) == []


async def _group(members: Members, *, uses: int | None) -> None:
    """Make a group of Ada's with an open invitation."""
    await members.change(ROOM, partial(rules.found, actor=ADA, name="Readers", now_ms=10))
    await members.change(
        ROOM,
        partial(rules.invite, actor=ADA, invitation_id="i", role=Role.EDITOR, lifetime_s=3600, uses=uses, now_ms=20),
    )
