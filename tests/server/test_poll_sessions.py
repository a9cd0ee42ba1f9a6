"""Poll sessions in a room on a clock of our own: when they end, what they keep, and what may interrupt them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from pycrdt import Doc, Map

from crdt_sync.protocol.messages import (
    Awareness,
    AwarenessEntry,
    Barrier,
    Message,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    decode,
    encode,
)
from crdt_sync.protocol.polling import Answer, Piece, Poll, PollKind, PollStream
from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync_server import inbox as inbox_module
from crdt_sync_server import poll_sessions
from crdt_sync_server.errors import StoreError
from crdt_sync_server.host import Host
from crdt_sync_server.poll_sessions import PollSession, PollSessions, SlowDown, TooManySessions, UnknownSession
from crdt_sync_server.ports import Grant
from tests.server.test_host import SlowStore

pytestmark = pytest.mark.anyio
MOST = 1024 * 1024


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def update(key: str, value: object = 1) -> bytes:
    doc: Doc[Any] = Doc()
    doc.get("m", type=Map)[key] = value
    return doc.get_update()


class Client:
    """The client's end of one session; `poll` may be lost on its way back."""

    def __init__(self, desk: Desk, session: PollSession) -> None:
        self.desk = desk
        self.session = session
        self.stream = PollStream()
        self.heard: list[Message] = []

    async def poll(self, *messages: Message, wait_s: float = 0, kind: PollKind = PollKind.POLL) -> Answer:
        for message in messages:
            self.stream.send(encode(message))
        poll = Poll(kind, bytes(16), 0, MOST, self.stream.piece(MOST))
        with anyio.fail_after(10):
            answer = await self.session.poll(poll, wait_s, self.desk.sessions.has_room)
        for frame in self.stream.take(answer.piece):
            self.heard += decode(frame)
        return answer

    async def hear(self, wanted: type[Message]) -> Any:
        with anyio.fail_after(10):
            while not any(isinstance(message, wanted) for message in self.heard):
                answer = await self.poll(wait_s=5)
                assert answer.ending is None, answer.ending
        return next(message for message in self.heard if isinstance(message, wanted))

    async def enter(self) -> None:
        await self.poll(SyncStep1(b"\x00"), SyncStep2(EMPTY_UPDATE))
        await self.hear(SyncStep2)


class Desk:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.store = SlowStore()
        self.host = Host(self.store, now=self.now, idle_s=1000)
        self.sessions = PollSessions(max_sessions=5, max_sessions_per_address=3, now=self.now)
        self.count = 0

    def now(self) -> float:
        return self.now_s

    def session(self, client: str = "10.0.0.1", max_message_bytes: int = 10_000_000) -> PollSession:
        session_id = self.count.to_bytes(16, "big")
        self.count += 1
        self.sessions.check(session_id, client)
        room = self.host.room("room")
        session = PollSession(
            room,
            grant=Grant("ada"),
            client=client,
            max_message_bytes=max_message_bytes,
            now=self.now,
            limits=self.host.limits,
        )
        self.sessions.add(session_id, session)
        return session

    async def client(self, address: str = "10.0.0.1") -> Client:
        session = self.session(address)
        await session.open()
        client = Client(self, session)
        await client.enter()
        return client

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds
        self.sessions.sweep(self.now_s)


@asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    async with desk.host.running():
        yield desk


def found(desk: Desk, number: int) -> PollSession | None:
    return desk.sessions.find(number.to_bytes(16, "big"), "room", Grant("ada"))


async def test_a_session_and_its_presence_end_30_s_after_the_last_poll() -> None:
    async with desk() as relay:
        a, b = await relay.client(), await relay.client()
        await a.poll(Awareness((AwarenessEntry(5, 1, "{}"),)))
        assert (await b.hear(Awareness)).entries == (AwarenessEntry(5, 1, "{}"),)
        relay.pass_time(20)
        await b.poll()
        relay.pass_time(9.9)
        assert found(relay, 0) is a.session
        relay.pass_time(0.1)
        assert found(relay, 0) is None
        b.heard.clear()
        assert (await b.hear(Awareness)).entries == (AwarenessEntry(5, 2, "null"),)
        relay.pass_time(15)
        assert found(relay, 1) is b.session


async def test_a_poll_that_waits_keeps_its_session() -> None:
    async with desk() as relay, anyio.create_task_group() as tasks:
        a = await relay.client()
        while (await a.poll(wait_s=0.05)).piece.data:
            pass
        tasks.start_soon(lambda: a.poll(wait_s=30))
        await anyio.wait_all_tasks_blocked()
        relay.pass_time(100)
        assert found(relay, 0) is a.session
        tasks.cancel_scope.cancel()


async def test_an_ended_session_is_remembered_for_30_s_however_often_it_is_polled() -> None:
    async with desk() as relay:
        a = await relay.client()
        a.stream.send(b"\x00\x09\x00")  # no message of the protocol
        for _ in range(3):
            answer = await a.poll()
            assert answer.ending is not None
            assert answer.ending.code == 4400
            relay.pass_time(9)
        relay.pass_time(3)
        assert found(relay, 0) is None


async def test_a_session_that_said_goodbye_is_forgotten_at_the_next_sweep() -> None:
    async with desk() as relay:
        a = await relay.client()
        answer = await a.poll(kind=PollKind.GOODBYE)
        assert answer.ending is not None
        assert answer.ending.code == 1000
        relay.pass_time(0)
        assert found(relay, 0) is None


async def test_a_poll_that_is_cut_while_it_waits_loses_nothing() -> None:
    async with desk() as relay:
        a, b = await relay.client(), await relay.client()
        for number in range(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: a.poll(wait_s=30))
                await anyio.wait_all_tasks_blocked()
                await b.poll(SyncUpdate(update(f"k{number}")))
                if number % 2:
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        await a.poll(Barrier(1))
        await a.hear(Barrier)
        doc: Doc[Any] = Doc()
        for message in a.heard:
            if isinstance(message, SyncUpdate):
                doc.apply_update(message.update)
        assert set(doc.get("m", type=Map).to_py() or {}) == {f"k{number}" for number in range(20)}


async def test_a_poll_that_is_cut_while_it_brings_something_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "MAX_INBOX_BYTES_PER_PEER", 500)
    async with desk() as relay:
        a = await relay.client()
        relay.store.gate = anyio.Event()
        await a.poll(SyncUpdate(update("first")))
        await anyio.wait_all_tasks_blocked()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(a.poll, *[SyncUpdate(update(f"k{number}", "x" * 1000)) for number in range(5)], Barrier(1))
            await anyio.wait_all_tasks_blocked()  # the room has not taken the first of them yet
            tasks.cancel_scope.cancel()
            relay.store.gate.set()
        assert await a.hear(Barrier) == Barrier(1)
        doc: Doc[Any] = Doc()
        for stored in (await relay.store.load("room")).updates:
            doc.apply_update(stored)
        assert set(doc.get("m", type=Map).to_py() or {}) == {"first", *(f"k{number}" for number in range(5))}


async def test_no_more_is_taken_from_the_outbox_than_the_window_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll_sessions, "WINDOW_BYTES", 2000)
    async with desk() as relay:
        deaf, b = await relay.client(), await relay.client()
        while (await deaf.poll(wait_s=0.05)).piece.data:
            pass
        blind = Poll(PollKind.POLL, bytes(16), 0, MOST, Piece(deaf.stream.received, deaf.stream.acknowledged, b""))
        for number in range(30):
            await b.poll(SyncUpdate(update(f"k{number}", "x" * 1000)), Barrier(number))
            b.heard.clear()
            await b.hear(Barrier)
            await deaf.session.poll(blind, 0, relay.sessions.has_room)
        assert deaf.session.stream.unacknowledged < 4000
        await deaf.poll()
        while (await deaf.poll(wait_s=0.2)).piece.data:
            pass
        updates = [message for message in deaf.heard if isinstance(message, SyncUpdate)]
        assert len(updates) < 5  # the rest came as one


async def test_requests_of_one_session_are_few() -> None:
    async with desk() as relay, anyio.create_task_group() as tasks:
        relay.store.gate = anyio.Event()  # the room does not load
        a = Client(relay, relay.session())
        tasks.start_soon(a.session.open)
        for _ in range(4):
            tasks.start_soon(a.poll)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(SlowDown):
            await a.poll()
        relay.store.gate.set()
        await anyio.wait_all_tasks_blocked()
        await a.enter()


async def test_a_room_that_cannot_be_loaded_ends_the_session_with_1011() -> None:
    async with desk() as relay:
        relay.store.failure = StoreError("the disk is away")
        a = Client(relay, relay.session())
        await a.session.open()
        answer = await a.poll()
        assert answer.ending is not None
        assert answer.ending.code == 1011
        assert "away" in answer.ending.reason


async def test_a_room_that_fails_while_much_waits_ends_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "MAX_INBOX_BYTES_PER_PEER", 1000)
    async with desk() as relay, anyio.create_task_group() as tasks:
        a = await relay.client()
        relay.store.gate = anyio.Event()
        await a.poll(SyncUpdate(update("first")))
        await anyio.wait_all_tasks_blocked()
        answers: list[Answer] = []

        async def flood() -> None:
            answers.append(await a.poll(SyncUpdate(update("big", "x" * 5000)), wait_s=5))

        tasks.start_soon(flood)
        await anyio.wait_all_tasks_blocked()
        assert not answers
        relay.store.failure = StoreError("no space left")
        relay.store.gate.set()
        await anyio.wait_all_tasks_blocked()
        assert answers[0].ending is not None
        assert answers[0].ending.code == 1011


async def test_sessions_are_counted_by_address_and_in_all() -> None:
    async with desk() as relay:
        for _ in range(3):
            relay.session()
        with pytest.raises(TooManySessions, match="address"):
            relay.session()
        relay.session("10.0.0.2")
        relay.session("10.0.0.2")
        with pytest.raises(TooManySessions):
            relay.session("10.0.0.2")
        with pytest.raises(UnknownSession):
            relay.sessions.check(bytes(16), "10.0.0.3")
        relay.pass_time(31)
        relay.session()


async def test_what_waits_for_the_rest_of_its_message_is_bounded_over_all_sessions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(poll_sessions, "MAX_PARTIAL_BYTES", 3000)
    async with desk() as relay:
        a, b, c = [await relay.client() for _ in range(3)]
        part = b"\x88\x27" + bytes(998)  # of a frame of 5000 bytes
        endings = []
        for each in (a, b):
            start = each.stream.acknowledged
            poll = Poll(PollKind.POLL, bytes(16), 0, MOST, Piece(each.stream.received, start, part))
            endings.append((await each.session.poll(poll, 0, relay.sessions.has_room)).ending)
        assert endings[0] is None
        assert endings[1] is not None
        assert endings[1].code == 1013
        await c.poll(SyncUpdate(update("fine")), Barrier(1))
        assert await c.hear(Barrier)
        neighbour = await relay.client("10.0.0.2")
        start = neighbour.stream.acknowledged
        poll = Poll(PollKind.POLL, bytes(16), 0, MOST, Piece(neighbour.stream.received, start, part))
        assert (await neighbour.session.poll(poll, 0, relay.sessions.has_room)).ending is None


async def test_find_asks_for_the_room_and_the_subject() -> None:
    async with desk() as relay:
        await relay.client()
        assert found(relay, 0)
        assert relay.sessions.find(bytes(16), "room", Grant("bob")) is None
        assert relay.sessions.find(bytes(16), "room", Grant(None)) is None
        assert relay.sessions.find(bytes(16), "room", Grant("ada", read_only=True)) is None
        assert relay.sessions.find(bytes(16), "another", Grant("ada")) is None
