"""What a request meets beside its handler: bounds, slowness, a failing store, a bug. In this process, as under ASGI."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from pycrdt import Doc

from crdt_sync_server.api import documents, face
from crdt_sync_server.app import RelayApp
from crdt_sync_server.config import Config
from crdt_sync_server.errors import StoreError
from crdt_sync_server.stores.memory import MemoryStore
from crdt_sync_server.wiring import build
from tests.server.api.test_documents import edited

pytestmark = pytest.mark.anyio
PATH = "/api/v1/rooms/r/document"


class Request:
    """One request whose body comes as a test says; `answered` is set with the response."""

    def __init__(self, method: str, path: str, client: str = "127.0.0.1") -> None:
        headers = [(b"host", b"localhost"), (b"content-type", b"application/octet-stream")]
        self.scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": headers, "client": (client, 1),
        }  # fmt: skip
        self.put, self._events = anyio.create_memory_object_stream[dict[str, Any]](100)
        self.sent: list[dict[str, Any]] = []
        self.reads = anyio.Event()
        """Until it is set the body of an answer is not taken."""
        self.reads.set()

    def body(self, data: bytes = b"", more: bool = False) -> Request:
        self.put.send_nowait({"type": "http.request", "body": data, "more_body": more})
        return self

    async def run(self, app: RelayApp) -> Request:
        async def send(event: dict[str, Any]) -> None:
            self.sent.append(event)
            if event["type"] == "http.response.body":
                await self.reads.wait()

        with self.put, self._events:
            await app(self.scope, self._events.receive, send)
        return self

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def problem(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.sent[1]["body"])
        assert dict(self.sent[0]["headers"])[b"content-type"] == b"application/problem+json"
        return found


@asynccontextmanager
async def relay(store: MemoryStore | None = None) -> AsyncIterator[RelayApp]:
    app = build(Config(), store or MemoryStore())
    async with app.host.running():
        with anyio.fail_after(20):
            yield app
        await app.stop()


async def test_a_request_goes_through() -> None:
    async with relay() as app:
        assert (await Request("POST", PATH).body(edited(Doc(), n=1)).run(app)).status == 204
        assert (await Request("GET", f"{PATH}.json").body().run(app)).sent[1]["body"] == b'{"m": {"n": 1}}'


async def test_a_body_that_takes_too_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face, "BODY_WITHIN_S", 0.01)
    monkeypatch.setattr(face, "DRAIN_WITHIN_S", 0.01)
    async with relay() as app:
        slow = await Request("POST", PATH).body(b"\x00", more=True).run(app)
        assert (slow.status, slow.problem["code"]) == (408, "body")


async def test_an_address_has_half_of_what_is_answered_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face, "MAX_REQUESTS", 2)
    async with relay() as app, anyio.create_task_group() as tasks:
        slow = Request("POST", PATH).body(b"\x00", more=True)
        tasks.start_soon(slow.run, app)
        await anyio.wait_all_tasks_blocked()
        refused = await Request("GET", "/api/v1/me").body().run(app)
        assert (refused.status, refused.problem["code"]) == (429, "too-many")
        assert (await Request("GET", "/api/v1/me", "127.0.0.2").body().run(app)).status == 200
        slow.body(b"\x00")
        await anyio.wait_all_tasks_blocked()
        assert slow.status == 204
        assert (await Request("GET", "/api/v1/me").body().run(app)).status == 200


async def test_what_bodies_hold_together_is_bounded_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face, "MAX_HELD_BYTES", 200)
    update = edited(Doc(), n=1)
    assert 20 * len(update) > 200, "they do not fit together"
    async with relay() as app:
        for _ in range(20):
            assert (await Request("POST", PATH).body(update).run(app)).status == 204
        refused = await Request("POST", PATH).body(b"x" * 101).run(app)
        assert (refused.status, refused.problem["code"]) == (429, "too-many")
        assert (await Request("POST", PATH).body(update).run(app)).status == 204


async def test_who_hangs_up_is_not_answered_and_leaves_nothing_behind() -> None:
    async with relay() as app:
        gone = Request("POST", PATH).body(b"\x00", more=True)
        gone.put.send_nowait({"type": "http.disconnect"})
        assert (await gone.run(app)).sent == []
        assert app.host.connections("r") == 0


class Full(MemoryStore):
    async def append(self, room: str, update: bytes, owner: str | None = None) -> int:
        raise StoreError("the disk is full")


async def test_a_store_that_fails_is_told_as_something_that_passes_by() -> None:
    async with relay(Full()) as app:
        failed = await Request("POST", PATH).body(edited(Doc(), n=1)).run(app)
        assert (failed.status, failed.problem["code"]) == (503, "unavailable")
        assert b"retry-after" in dict(failed.sent[0]["headers"])


async def test_a_bug_costs_one_request_and_tells_nothing_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(update: bytes) -> dict[str, Any]:
        raise ZeroDivisionError("a secret of the code")

    monkeypatch.setattr(documents, "contents", fails)
    async with relay() as app:
        failed = await Request("GET", f"{PATH}.json").body().run(app)
        assert (failed.status, failed.problem["code"]) == (500, "internal")
        assert "secret" not in failed.problem["detail"]
        assert (await Request("GET", PATH).body().run(app)).status == 200


async def test_a_document_that_is_too_large_for_json_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_JSON_DOCUMENT_BYTES", 10)
    async with relay() as app:
        await Request("POST", PATH).body(edited(Doc(), n=1)).run(app)
        refused = await Request("GET", f"{PATH}.json").body().run(app)
        assert (refused.status, refused.problem["code"]) == (413, "too-big")


async def test_a_relay_that_stops_answers_and_takes_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async with relay() as app:
        await Request("POST", PATH).body(edited(Doc(), n=1)).run(app)
        await app.stop()
        stopped = await Request("POST", PATH).body(edited(Doc(), n=2)).run(app)
        assert (stopped.status, stopped.problem["code"]) == (503, "unavailable")
