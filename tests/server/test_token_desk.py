"""The bounds of tokens that people make for themselves, on a clock that a test turns, and what comes in between."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from crdt_sync_server import token_desk
from crdt_sync_server.errors import Forbidden, TokenError, Unauthenticated
from crdt_sync_server.host import Host
from crdt_sync_server.ports import Identity
from crdt_sync_server.stores.memory import MemoryStore
from crdt_sync_server.stores.memory_members import MemoryMembers
from crdt_sync_server.stores.memory_tokens import MemoryTokens
from crdt_sync_server.token_desk import TokenDesk
from crdt_sync_server.tokens import AccessToken

pytestmark = pytest.mark.anyio
SIGNED_IN = Identity("ada", expires_at_s=1060.0)


class Desk:
    def __init__(self) -> None:
        self.wall_s = 1000.0
        self.tokens, self.members = MemoryTokens(), MemoryMembers()
        self.host = Host(MemoryStore(), now=time.monotonic, wall=lambda: self.wall_s)
        self.desk = TokenDesk(self.tokens, self.host, self.members, provider_days=10)

    async def made_by_operator(self) -> Identity:
        request = {"what": "create", "subject": "ada", "name": "desk", "lifetime_s": None}
        return Identity("ada", token_id=(await self.desk.answer(request))["id"])


@asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    here = Desk()
    async with here.host.running():
        with anyio.fail_after(20):
            yield here
        await here.host.stop()


async def test_so_many_hold_at_a_time_and_no_more_also_if_all_are_asked_for_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(token_desk, "MAX_HELD", 5)
    async with desk() as here:
        made: list[AccessToken] = []
        refused: list[TokenError] = []

        async def make() -> None:
            try:
                made.append((await here.desk.make_own(SIGNED_IN, None, 3600))[1])
            except TokenError as error:
                refused.append(error)

        async with anyio.create_task_group() as tasks:
            for _ in range(12):
                tasks.start_soon(make)
        assert (len(made), len(refused)) == (5, 7)
        await here.desk.revoke_own("ada", made[0].id)
        await make()
        here.wall_s += 3601
        await make()
        assert (len(made), len(refused)) == (7, 7)
        assert len(await here.desk.own("ada")) == 1, "those that have ended are forgotten"


async def test_who_makes_and_revokes_without_end_fills_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_desk, "MAX_KEPT", 8)
    async with desk() as here:
        for _ in range(8):
            _, made = await here.desk.make_own(SIGNED_IN, None, 60)
            await here.desk.revoke_own("ada", made.id)
        with pytest.raises(TokenError, match="made and revoked"):
            await here.desk.make_own(SIGNED_IN, None, 60)
        await here.desk.make_own(Identity("bob"), None, 60)
        here.wall_s += 61
        await here.desk.make_own(SIGNED_IN, None, 60)


async def test_who_was_revoked_while_the_body_came_makes_none() -> None:
    """The token was good as the request began."""
    async with desk() as here:
        maker = await here.made_by_operator()
        assert maker.token_id is not None
        await here.desk.answer({"what": "revoke", "id": maker.token_id})
        with pytest.raises(Unauthenticated):
            await here.desk.make_own(maker, None, 60)


async def test_who_is_revoked_between_the_look_and_the_store_makes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk() as here:
        maker = await here.made_by_operator()
        change = here.members.change

        async def revoked_meanwhile(*arguments: object) -> object:
            assert maker.token_id is not None
            await here.tokens.revoke(maker.token_id, 1)
            return await change(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(here.members, "change", revoked_meanwhile)
        with pytest.raises(Unauthenticated):
            await here.desk.make_own(maker, None, 60)
        assert len(await here.desk.own("ada")) == 1


async def test_where_the_operator_does_not_let_them_nobody_who_signs_in_makes_one() -> None:
    async with desk() as here:
        with pytest.raises(Forbidden):
            await TokenDesk(here.tokens, here.host, here.members).make_own(SIGNED_IN, None, 60)
