"""What is kept beside the rooms of a store that several relays share, as a test class: changes, and their notices.

Subclass it, give a block in which one store is open twice, as two relays, and run pytest.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from crdt_sync_server import membership as rules
from crdt_sync_server.errors import LastOwner, NoSuchInvitation
from crdt_sync_server.keepers import Members, Tokens, Webhooks
from crdt_sync_server.ports import NoticeKind, Role, SharedStore
from crdt_sync_server.roster import OPERATOR, Actor
from crdt_sync_server.tokens import new_token
from crdt_sync_server.webhooks import new_webhook

__all__ = ["Opened", "SharedKeepersContract"]

ADA = Actor("ada", "Ada")


@dataclass(frozen=True, slots=True)
class Opened:
    """One opening of a store, with what is kept beside the rooms."""

    store: SharedStore
    members: Members
    tokens: Tokens
    webhooks: Webhooks


class SharedKeepersContract:
    """Every change of what is kept beside the rooms of a shared store has its notice, and what changes nothing none."""

    def both(self, folder: Path) -> AbstractAsyncContextManager[tuple[Opened, Opened]]:
        """Return a block in which the store of `folder` is open twice, as the nodes `one` and `two`."""
        raise NotImplementedError

    async def test_each_kind_of_change_is_told(self, tmp_path: Path) -> None:
        """Once, with the name of who did it."""
        async with self.both(tmp_path) as (one, two):
            await one.members.change("g/x", partial(rules.found, actor=ADA, name="Readers", now_ms=10))
            _, maker = new_token("ada", name=None, made_ms=10, expires_ms=None)
            _, made = new_token("ada", name=None, made_ms=11, expires_ms=90, made_with=maker.id)
            for token in (maker, made):
                assert await two.tokens.add(token)
            await two.tokens.revoke(maker.id, 20)
            hook = new_webhook("https://a.example", room=None, under=None, made_ms=10)
            await one.webhooks.add(hook)
            await two.webhooks.remove(hook.id)
            await one.store.delete("g/x")
            found = await two.store.notices(0)
            assert found is not None
            assert [each.number for each in found] == list(range(1, 7))
            told = [(each.kind, each.about, each.node) for each in found]
            revoked = [(NoticeKind.REVOKED, each, "two") for each in sorted((maker.id, made.id))]
            assert [told[0], sorted(told[1:3], key=lambda each: each[1]), *told[3:]] == [
                (NoticeKind.ROLES, "g/x", "one"),
                revoked,
                (NoticeKind.WEBHOOKS, hook.id, "one"),
                (NoticeKind.WEBHOOKS, hook.id, "two"),
                (NoticeKind.DELETED, "g/x", "one"),
            ]

    async def test_what_changes_nothing_is_not_told(self, tmp_path: Path) -> None:
        """A refusal, what is not there, and what was done before."""
        async with self.both(tmp_path) as (one, two):
            await one.members.change("g/x", partial(rules.found, actor=ADA, name="Readers", now_ms=10))
            _, token = new_token("ada", name=None, made_ms=10, expires_ms=None)
            await one.tokens.add(token)
            await one.tokens.revoke(token.id, 20)
            before = (await one.store.heads([])).notice
            with suppress(LastOwner):
                await two.members.change("g/x", partial(rules.remove, actor=ADA, subject="ada", now_ms=50))
            await two.tokens.revoke(token.id, 30)
            await two.tokens.revoke("unknown", 30)
            assert await two.webhooks.remove("unknown") is None
            assert await one.store.notices(before) == []

    async def test_two_who_decide_at_once_decide_one_after_the_other(self, tmp_path: Path) -> None:
        """Also of a room without members: no decision is lost, and each has its notice."""
        async with self.both(tmp_path) as opened:

            async def admit(number: int) -> None:
                decide = partial(rules.set_role, actor=OPERATOR, subject=f"s{number}", role=Role.READER, now_ms=number)
                await opened[number % 2].members.change("legacy", decide)

            async with anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(admit, number)
            roster = await opened[0].members.roster("legacy")
            assert set(roster.members) == {f"s{number}" for number in range(20)}
            found = await opened[1].store.notices(0)
            assert found is not None
            assert len(found) == 20

    async def test_of_two_who_take_the_last_use_of_an_invitation_one_has_it(self, tmp_path: Path) -> None:
        """On two relays at once, time after time; the other is told, and is no member."""
        async with self.both(tmp_path) as opened:
            await opened[0].members.change("g/x", partial(rules.found, actor=ADA, name="Readers", now_ms=10))
            for number in range(15):
                invite = partial(
                    rules.invite,
                    actor=ADA,
                    invitation_id=f"i{number}",
                    role=Role.EDITOR,
                    lifetime_s=3600,
                    uses=1,
                    now_ms=20,
                )
                await opened[0].members.change("g/x", invite)
                won: list[str] = []

                async def accept(subject: str, at: Members, invitation: str, won: list[str] = won) -> None:
                    decide = partial(rules.accept, actor=Actor(subject), invitation_id=invitation, now_ms=30)
                    with suppress(NoSuchInvitation):
                        won.append((await at.change("g/x", decide)).value.subject)

                async with anyio.create_task_group() as tasks:
                    for guest, each in enumerate(opened):
                        tasks.start_soon(accept, f"guest {number}-{guest}", each.members, f"i{number}")
                assert len(won) == 1
                members = (await opened[1].members.roster("g/x")).members
                assert [key for key in members if key.startswith(f"guest {number}-")] == won

    async def test_nothing_is_made_with_a_token_that_is_being_revoked(self, tmp_path: Path) -> None:
        """Whichever comes first: what was made before is revoked with it, and nothing is made after."""
        async with self.both(tmp_path) as (one, two):
            for number in range(10):
                _, maker = new_token("ada", name=None, made_ms=number, expires_ms=None)
                await one.tokens.add(maker)
                made = [new_token("ada", name=None, made_ms=11, expires_ms=90, made_with=maker.id)[1] for _ in range(4)]
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(two.tokens.add, made[0])
                    tasks.start_soon(one.tokens.add, made[1])
                    tasks.start_soon(two.tokens.revoke, maker.id, 20)
                    tasks.start_soon(two.tokens.add, made[2])
                    tasks.start_soon(one.tokens.add, made[3])
                kept = [each for each in await one.tokens.listed() if each.made_with == maker.id]
                assert [each for each in kept if each.revoked_ms is None] == []

    async def test_the_key_of_invitations_is_one(self, tmp_path: Path) -> None:
        """Though both ask for it first, at once."""
        async with self.both(tmp_path) as (one, two):
            keys: list[bytes] = []

            async def ask(members: Members) -> None:
                keys.append(await members.key())

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask, one.members)
                tasks.start_soon(ask, two.members)
            assert keys[0] == keys[1]
