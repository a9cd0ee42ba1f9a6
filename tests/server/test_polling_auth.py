"""Who may poll: an authenticator that asks for tokens, and pages of other sites, through the whole application."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import httpx
import pytest

from crdt_sync.protocol.polling import SESSION_BYTES, Piece, Poll, PollKind, decode_answer, encode_poll
from crdt_sync_server import polling
from crdt_sync_server.app import RelayApp
from crdt_sync_server.auth.open import OpenAuthority
from crdt_sync_server.errors import Forbidden, Unauthenticated
from crdt_sync_server.gate import Gate
from crdt_sync_server.host import Host
from crdt_sync_server.http import HttpFace
from crdt_sync_server.poll_sessions import PollSessions
from crdt_sync_server.polling import PollingFace
from crdt_sync_server.ports import ConnectRequest, Identity
from crdt_sync_server.stores.memory import MemoryStore

pytestmark = pytest.mark.anyio
PAGE = {"origin": "https://reader.example"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Tokens:
    """`ports.Authenticator`: a token is `Bearer <subject>`; `locked` is a room for nobody; one origin is unwelcome."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        self.expired: set[str] = set()

    async def authenticate(self, request: ConnectRequest) -> Identity:
        token = (request.header("authorization") or "").removeprefix("Bearer ")
        self.asked.append(token or None)
        if request.header("origin") == "https://evil.example":
            raise Forbidden("not from there")
        if not token or token in self.expired:
            raise Unauthenticated("the token is missing or has expired")
        if request.room == "locked":
            raise Forbidden("not in this room")
        return Identity(subject=token)


class Desk:
    def __init__(self, client: httpx.AsyncClient, neighbour: httpx.AsyncClient, tokens: Tokens) -> None:
        self.client = client
        self.neighbour = neighbour
        """At another address."""
        self.tokens = tokens

    async def post(
        self,
        session: bytes,
        token: str | None,
        kind: PollKind = PollKind.OPEN,
        *,
        room: str = "r",
        wait_ms: int = 0,
        received: int = 0,
        **headers: str,
    ) -> httpx.Response:
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        body = encode_poll(Poll(kind, session, wait_ms, 1000, Piece(received, 0, b"")))
        return await self.client.post(f"http://relay/sync/{room}", content=body, headers=headers)


@asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    tokens = Tokens()
    host = Host(MemoryStore(), now=time.monotonic)
    sessions = PollSessions(max_sessions=10, max_sessions_per_address=10, now=time.monotonic)
    gate = Gate(tokens, OpenAuthority(), within_s=10)
    face = PollingFace(host, gate, sessions, max_message_bytes=100_000, max_wait_s=1)
    http = HttpFace(host.store, lambda: host.stopping)
    relay = RelayApp(host, gate, http, face, sessions, max_message_bytes=100_000)
    async with host.running():
        async with (
            httpx.AsyncClient(transport=httpx.ASGITransport(relay)) as client,
            httpx.AsyncClient(transport=httpx.ASGITransport(relay, client=("10.0.0.2", 5))) as neighbour,
        ):
            with anyio.fail_after(20):
                yield Desk(client, neighbour, tokens)
        await relay.stop()


async def test_every_request_is_asked_for_its_token() -> None:
    async with desk() as relay:
        session = os.urandom(SESSION_BYTES)
        assert (await relay.post(session, None)).json()["code"] == 4401
        assert decode_answer((await relay.post(session, "ada")).content).ending is None
        for _ in range(3):
            assert (await relay.post(session, "ada", PollKind.POLL)).status_code == 200
        relay.tokens.expired.add("ada")
        expired = await relay.post(session, "ada", PollKind.POLL)
        assert (expired.status_code, expired.json()["code"]) == (401, 4401)
        assert relay.tokens.asked == [None, "ada", "ada", "ada", "ada", "ada"]


async def test_a_session_belongs_to_its_subject() -> None:
    async with desk() as relay:
        session = os.urandom(SESSION_BYTES)
        await relay.post(session, "ada")
        for kind in PollKind:
            stolen = await relay.post(session, "bob", kind)
            assert (stolen.status_code, stolen.json()["code"]) == (410, 4500)
        assert decode_answer((await relay.post(session, "ada", PollKind.POLL)).content).ending is None


async def test_a_page_reads_the_relays_refusals_and_a_preflight_needs_no_token() -> None:
    async with desk() as relay:
        session = os.urandom(SESSION_BYTES)
        preflight = await relay.client.options("http://relay/sync/r", headers=PAGE)
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-headers"] == "authorization, content-type"
        for token, room, status in (("ada", "r", 200), (None, "r", 401), ("ada", "locked", 403)):
            response = await relay.post(session, token, room=room, **PAGE)
            assert response.status_code == status
            assert response.headers["access-control-allow-origin"] == PAGE["origin"]
            assert response.headers["vary"] == "origin"


async def test_a_page_of_an_unwelcome_origin_reads_nothing() -> None:
    async with desk() as relay:
        evil = {"origin": "https://evil.example"}
        assert (await relay.client.options("http://relay/sync/r", headers=evil)).status_code == 403
        response = await relay.post(os.urandom(SESSION_BYTES), "ada", **evil)
        assert (response.status_code, response.json()["code"]) == (403, 4403)
        assert "access-control-allow-origin" not in response.headers


async def test_what_all_open_polls_hold_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "MAX_HELD_BYTES", 60)  # half of it, of one address, is one body
    async with desk() as relay, anyio.create_task_group() as tasks:
        session = os.urandom(SESSION_BYTES)
        await relay.post(session, "ada")
        opening = decode_answer((await relay.post(session, "ada", PollKind.POLL, wait_ms=1000)).content).piece
        heard = len(opening.data)
        tasks.start_soon(lambda: relay.post(session, "ada", PollKind.POLL, wait_ms=1000, received=heard))
        await anyio.wait_all_tasks_blocked()
        response = await relay.post(session, "ada", PollKind.POLL)
        assert (response.status_code, response.json()["code"]) == (429, 1008)


async def test_who_sends_slowly_takes_no_more_than_half_of_the_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address with many slow polls must not shut out all others."""
    monkeypatch.setattr(polling, "MAX_BODIES", 2)
    opening = encode_poll(Poll(PollKind.OPEN, os.urandom(SESSION_BYTES), 0, 1000, Piece(0, 0, b"")))
    headers = {"authorization": "Bearer ada"}
    async with desk() as relay, anyio.create_task_group() as tasks:
        goes_on = anyio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield opening[:5]
            await goes_on.wait()
            yield opening[5:]

        slow: list[httpx.Response] = []

        async def post_slowly() -> None:
            slow.append(await relay.client.post("http://relay/sync/r", content=slowly(), headers=headers))

        tasks.start_soon(post_slowly)
        await anyio.wait_all_tasks_blocked()
        refused = await relay.post(os.urandom(SESSION_BYTES), "ada")
        assert (refused.status_code, refused.json()["code"]) == (429, 1008)
        taken = await relay.neighbour.post(
            "http://relay/sync/r",
            content=opening[:2] + os.urandom(SESSION_BYTES) + opening[2 + SESSION_BYTES :],
            headers=headers,
        )
        assert taken.status_code == 200
        goes_on.set()
        await anyio.wait_all_tasks_blocked()
        assert [response.status_code for response in slow] == [200]
