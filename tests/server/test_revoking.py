"""Tokens that are revoked while somebody is on the way in with them, or while a fresh one is looked at."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest
from pycrdt import Doc

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import FreshToken, SyncUpdate, encode
from crdt_sync_server.errors import ProviderUnavailable, Unauthenticated
from crdt_sync_server.host import Host
from crdt_sync_server.outbox import Closing
from crdt_sync_server.poll_sessions import PollSession
from crdt_sync_server.ports import Grant, Identity
from crdt_sync_server.stores.memory import MemoryStore
from tests.server.api.test_documents import edited

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def running() -> AsyncIterator[Host]:
    host = Host(MemoryStore(), now=time.monotonic, wall=lambda: 1000.0)
    async with host.running():
        with anyio.fail_after(20):
            yield host
        await host.stop()


def peer_of(host: Host, renew: Callable[[str], Awaitable[Identity]] | None = None) -> PollSession:
    return PollSession(
        host.room("r"),
        grant=Grant("ada", expires_at_s=1060.0, token_id="first"),
        client=None,
        max_message_bytes=10_000,
        now=time.monotonic,
        limits=host.limits,
        renew=renew,
    )


async def settled(peer: PollSession) -> Closing | None:
    """Return how the relay ends a peer, once all has been done that could be."""
    await anyio.wait_all_tasks_blocked()
    while (item := peer.outbox.next()) is not None:
        if isinstance(item, Closing):
            return item
    return None


async def test_who_is_on_the_way_in_does_not_enter() -> None:
    async with running() as host:
        peer = peer_of(host)
        host.revoke("first")
        with pytest.raises(Unauthenticated, match="revoked"):
            await host.room("r").enter(peer)
        assert host.connections("r") == 0


async def test_who_is_in_by_another_token_stays() -> None:
    async with running() as host:
        peer = peer_of(host)
        await host.room("r").enter(peer)
        host.revoke("second")
        assert await settled(peer) is None
        host.revoke("first")
        ending = await settled(peer)
        assert ending is not None
        assert ending.code is CloseCode.UNAUTHENTICATED


@pytest.mark.parametrize("how", ["revoked", "removed"])
async def test_what_waits_for_who_may_not_be_here_any_more_is_not_sent(how: str) -> None:
    """A reader that is slow to drain must not get the rest of the document after its removal."""
    async with running() as host:
        peer, writer = peer_of(host), peer_of(host)
        writer.grant = replace(writer.grant, token_id="other")
        writer.subject = "bob"
        for each in (peer, writer):
            await host.room("r").enter(each)
        await writer._hear(encode(SyncUpdate(edited(Doc(), secret=1))))
        await anyio.wait_all_tasks_blocked()
        assert peer.outbox.is_waiting
        if how == "revoked":
            host.revoke("first")
        else:
            host.regrade("r", "ada", None)
        await anyio.wait_all_tasks_blocked()
        code = CloseCode.UNAUTHENTICATED if how == "revoked" else CloseCode.FORBIDDEN
        said = peer.outbox.next()
        assert isinstance(said, Closing), "the content that waited"
        assert said.code is code


async def test_a_fresh_token_that_is_revoked_while_it_is_looked_at_is_none() -> None:
    looked_at = anyio.Event()

    async def renew(token: str) -> Identity:
        await looked_at.wait()
        return Identity("ada", token_id="second")

    async with running() as host:
        peer = peer_of(host, renew)
        await host.room("r").enter(peer)
        await peer._hear(encode(FreshToken("t")))
        await anyio.wait_all_tasks_blocked()
        host.revoke("second")
        looked_at.set()
        ending = await settled(peer)
        assert ending is not None
        assert (ending.code, "revoked" in ending.reason) == (CloseCode.UNAUTHENTICATED, True)


async def test_of_tokens_that_come_while_one_is_looked_at_the_last_counts() -> None:
    asked: list[str] = []
    goes_on = anyio.Event()

    async def renew(token: str) -> Identity:
        asked.append(token)
        await goes_on.wait()
        return Identity("ada", expires_at_s=2000.0, token_id=token)

    async with running() as host:
        peer = peer_of(host, renew)
        await host.room("r").enter(peer)
        for token in ("a", "b", "c"):
            await peer._hear(encode(FreshToken(token)))
            await anyio.wait_all_tasks_blocked()
        goes_on.set()
        await anyio.wait_all_tasks_blocked()
        assert asked == ["a", "c"]
        assert (peer.grant.token_id, peer.grant.expires_at_s) == ("c", 2000.0)


@pytest.mark.parametrize(
    ("error", "code"),
    [(ProviderUnavailable("away"), None), (ZeroDivisionError(), CloseCode.INTERNAL_ERROR)],
)
async def test_a_token_that_cannot_be_looked_at_hurts_nobody_else(error: Exception, code: CloseCode | None) -> None:
    async def renew(token: str) -> Identity:
        raise error

    async with running() as host:
        peer, other = peer_of(host, renew), peer_of(host)
        for each in (peer, other):
            await host.room("r").enter(each)
        await peer._hear(encode(FreshToken("t")))
        ending = await settled(peer)
        assert (None if ending is None else ending.code) == code
        assert peer.grant.expires_at_s == 1060.0
        assert await settled(other) is None
        assert host.connections("r") == (2 if code is None else 1)
