"""What somebody with a good token, or with a right that has ended, could do to the relay and does not. In process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from pycrdt import Doc

from crdt_sync_server.api import face
from crdt_sync_server.api.calls import Services
from crdt_sync_server.app import RelayApp
from crdt_sync_server.config import AuthMode, Config
from crdt_sync_server.stores.memory import MemoryStore
from crdt_sync_server.tokens import AccessToken, new_token
from crdt_sync_server.wiring import build
from tests.server.api.test_documents import edited
from tests.server.api.test_face import Request

pytestmark = pytest.mark.anyio
GROUPS = "/api/v1/groups"
NAME = b'{"name": "Dante"}'


class Scene:
    """A relay in static mode, and people with tokens."""

    def __init__(self, *limits: str) -> None:
        self.store = MemoryStore()
        self.app: RelayApp = build(Config(auth=AuthMode.STATIC, limit=limits), self.store)
        self.headers: dict[str, bytes] = {}

    async def token(self, subject: str, lifetime_ms: int | None = None) -> AccessToken:
        assert self.app.host.tokens is not None
        now_ms = int(self.app.host.wall() * 1000)
        expires_ms = None if lifetime_ms is None else now_ms + lifetime_ms
        text, made = new_token(subject, name=None, made_ms=now_ms, expires_ms=expires_ms)
        await self.app.host.tokens.add(made)
        self.headers[subject] = f"Bearer {text}".encode()
        return made

    def request(self, method: str, path: str, subject: str, kind: bytes = b"application/json") -> Request:
        request = Request(method, path)
        request.scope["headers"] = [
            (b"host", b"localhost"), (b"content-type", kind), (b"authorization", self.headers[subject]),
        ]  # fmt: skip
        return request

    async def ask(self, method: str, path: str, subject: str, body: bytes = b"") -> Request:
        return await self.request(method, path, subject).body(body).run(self.app)

    @property
    def services(self) -> Services:
        services: Services = self.app._api._services  # type: ignore[attr-defined]
        return services


@asynccontextmanager
async def scene(*limits: str) -> AsyncIterator[Scene]:
    here = Scene(*limits)
    async with here.app.host.running():
        with anyio.fail_after(20):
            yield here
        await here.app.stop()


@pytest.mark.parametrize("ends", ["revoked", "expired"])
async def test_nothing_is_changed_with_a_token_that_ends_while_the_body_comes(
    ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body may take half a minute: who is revoked must not have kept requests open to use them after that."""
    async with scene() as here, anyio.create_task_group() as tasks:
        made = await here.token("ada", 60_000)
        slow = here.request("POST", GROUPS, "ada").body(NAME[:5], more=True)
        tasks.start_soon(slow.run, here.app)
        await anyio.wait_all_tasks_blocked()
        assert here.app.host.tokens is not None
        if ends == "revoked":
            await here.app.host.tokens.revoke(made.id, 1)
            here.app.host.revoke(made.id)
        else:
            later_s = here.app.host.wall() + 61
            monkeypatch.setattr(here.app.host, "wall", lambda: later_s)
        slow.body(NAME[5:])
        await anyio.wait_all_tasks_blocked()
        assert (slow.status, slow.problem["code"]) == (401, "unauthenticated")
        assert list(await here.services.members.memberships("ada")) == []


async def test_who_changes_without_end_is_told_to_come_later() -> None:
    """Each change is a commit, and a line of an audit that nothing shortens."""
    async with scene("changes-burst=3", "changes-per-minute=1") as here:
        for subject in ("ada", "bob"):
            await here.token(subject)
        assert [(await here.ask("POST", GROUPS, "ada", NAME)).status for _ in range(3)] == [201, 201, 201]
        refused = await here.ask("POST", GROUPS, "ada", NAME)
        assert (refused.status, refused.problem["code"]) == (429, "too-many")
        assert dict(refused.sent[0]["headers"])[b"retry-after"] == b"60"
        assert (await here.ask("DELETE", "/api/v1/rooms/u%2Fada", "ada")).status == 429
        assert (await here.ask("GET", "/api/v1/rooms", "ada")).status == 200, "who looks changes nothing"
        assert (await here.ask("POST", GROUPS, "bob", NAME)).status == 201, "others have their own rate"
        assert len(await here.services.members.audit(subject="ada")) == 3
        octets = here.request("POST", "/api/v1/rooms/u%2Fada/document", "ada", b"application/octet-stream")
        assert (await octets.body(edited(Doc(), n=1)).run(here.app)).status == 204, "edits have theirs"


async def test_documents_that_wait_to_be_made_json_are_not_held_meanwhile() -> None:
    """Sixty requests of a large document would hold it sixty times."""
    async with scene() as here, anyio.create_task_group() as tasks:
        await here.token("ada")
        octets = here.request("POST", "/api/v1/rooms/u%2Fada/document", "ada", b"application/octet-stream")
        assert (await octets.body(edited(Doc(), n="x" * 10_000)).run(here.app)).status == 204
        held = [object() for _ in range(int(here.services.reading.total_tokens))]
        for each in held:
            here.services.reading.acquire_on_behalf_of_nowait(each)
        sent_bytes = here.app.host.metrics.sent_bytes
        asking = here.request("GET", "/api/v1/rooms/u%2Fada/document.json", "ada").body()
        tasks.start_soon(asking.run, here.app)
        await anyio.wait_all_tasks_blocked()
        assert here.app.host.metrics.sent_bytes - sent_bytes < 10_000, "it was read before its turn"
        for each in held:
            here.services.reading.release_on_behalf_of(each)
    assert asking.status == 200


async def test_who_reads_no_answers_does_not_make_the_relay_hold_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty requests of a large document by one who reads slowly would hold it sixty times."""
    monkeypatch.setattr(face, "MAX_TOLD_BYTES", 50_000)
    async with scene() as here, anyio.create_task_group() as tasks:
        await here.token("ada")
        octets = here.request("POST", "/api/v1/rooms/u%2Fada/document", "ada", b"application/octet-stream")
        assert (await octets.body(edited(Doc(), n="x" * 10_000)).run(here.app)).status == 204
        reads = anyio.Event()
        slow = [here.request("GET", "/api/v1/rooms/u%2Fada/document", "ada").body() for _ in range(4)]
        for each in slow:
            each.reads = reads
            tasks.start_soon(each.run, here.app)
        await anyio.wait_all_tasks_blocked()
        assert sorted(each.status for each in slow) == [200, 200, 429, 429], "an address has half of it"
        assert (await here.ask("GET", "/api/v1/me", "ada")).status == 200
        reads.set()
        await anyio.wait_all_tasks_blocked()
        assert (await here.ask("GET", "/api/v1/rooms/u%2Fada/document", "ada")).status == 200
