"""Polling as a client meets it: a relay in its process, real requests, in order and out of it."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_ws import WebSocketSession, connect_ws
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
from crdt_sync.protocol.polling import MAX_POLL_BYTES, SESSION_BYTES, Piece, Poll, PollKind, decode_answer, encode_poll
from crdt_sync.protocol.update import EMPTY_UPDATE
from tests.poller import MOST, NOTHING, Poller
from tests.relay import RelayProcess


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    folder = tmp_path_factory.mktemp("relay")
    with RelayProcess(folder, "--max-message-bytes", "3000000", "--allow-origin", "https://reader.example") as relay:
        yield relay


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    return f"poll/{request.node.name}"


@pytest.fixture
def poller(relay: RelayProcess, room: str) -> Iterator[Poller]:
    with Poller(relay.url, room) as poller:
        poller.open()
        yield poller


def update(key: str, value: object = 1) -> bytes:
    doc: Doc[Map[object]] = Doc()
    doc.get("m", type=Map)[key] = value
    return doc.get_update()


def keys(data: bytes) -> set[str]:
    doc: Doc[Any] = Doc()
    doc.apply_update(data)
    return set(doc.get("m", type=Map).to_py() or {})


def stored(relay: RelayProcess, room: str) -> set[str]:
    """What somebody who comes later is given."""
    with Poller(relay.url, room) as later:
        later.open()
        later.say(SyncStep1(b"\x00"))
        step = later.hear(SyncStep2)
        assert isinstance(step, SyncStep2)
        return keys(step.update)


def enter(poller: Poller) -> None:
    poller.say(SyncStep1(b"\x00"), SyncStep2(EMPTY_UPDATE))
    poller.hear(SyncStep2)


def hear_over(session: WebSocketSession, wanted: type[Message]) -> Any:
    while True:
        for message in decode(session.receive_bytes(timeout=10)):
            if isinstance(message, wanted):
                return message


def test_a_poller_and_a_websocket_share_a_room(relay: RelayProcess, poller: Poller, room: str) -> None:
    with httpx.Client() as client, connect_ws(f"{relay.url.replace('ws:', 'http:')}/{room}", client) as session:
        session.send_bytes(encode(SyncStep1(b"\x00")))
        session.send_bytes(encode(SyncStep2(EMPTY_UPDATE)))
        hear_over(session, SyncStep2)
        enter(poller)
        poller.say(SyncUpdate(update("polled")), Barrier(7), Awareness((AwarenessEntry(5, 1, '{"name":"Zoë"}'),)))
        assert poller.hear(Barrier) == Barrier(7)
        assert hear_over(session, Awareness).entries == (AwarenessEntry(5, 1, '{"name":"Zoë"}'),)  # it does not wait
        assert keys(hear_over(session, SyncUpdate).update) == {"polled"}
        poller.heard.clear()
        session.send_bytes(encode(SyncUpdate(update("streamed"))))
        message = poller.hear(SyncUpdate)
        assert isinstance(message, SyncUpdate)
        assert keys(message.update) == {"streamed"}
        poller.poll(kind=PollKind.GOODBYE)
        assert poller.ending is not None
        assert hear_over(session, Awareness).entries == (AwarenessEntry(5, 2, "null"),)  # presence went at once
    assert stored(relay, room) == {"polled", "streamed"}


def test_a_poll_waits_and_news_ends_the_wait(relay: RelayProcess, poller: Poller, room: str) -> None:
    enter(poller)
    while poller.poll(wait_s=0.2).piece.data:
        pass
    began = time.monotonic()
    assert poller.poll(wait_s=1).piece.data == b""
    assert time.monotonic() - began >= 0.9
    with Poller(relay.url, room) as other, ThreadPoolExecutor() as threads:
        waiting = threads.submit(poller.poll, 20)
        other.open()
        enter(other)
        other.say(SyncUpdate(update("news")))
        other.poll()
        assert waiting.result(15).piece.data
    assert time.monotonic() - began < 18


def test_a_newer_poll_ends_an_older_one_at_once(poller: Poller) -> None:
    enter(poller)
    while poller.poll(wait_s=0.2).piece.data:
        pass
    with ThreadPoolExecutor() as threads, httpx.Client(timeout=40) as other, httpx.Client(timeout=40) as third:
        polls = [threads.submit(poller.post, poller.next_poll(wait_s=25), client) for client in (poller.client, other)]
        done, waiting = futures.wait(polls, timeout=15, return_when=futures.FIRST_COMPLETED)
        assert (len(done), len(waiting)) == (1, 1)  # which of the two came first, the network decides
        poller.take(poller.post(poller.next_poll(wait_s=0.1), third))
        for poll in polls:
            assert poller.take(poll.result(15)).ending is None


def test_repeated_and_reordered_polls_apply_nothing_twice_and_leave_no_hole(
    relay: RelayProcess, poller: Poller, room: str
) -> None:
    enter(poller)
    start = poller.stream.acknowledged
    poller.say(SyncUpdate(update("one")))
    first = poller.next_poll()
    poller.say(SyncUpdate(update("two")), Barrier(2))
    both = poller.next_poll()
    later = Poll(PollKind.POLL, poller.session, 0, MOST, Piece(0, start + len(first.piece.data), both.piece.data[-5:]))
    hole = poller.take(poller.post(later))
    assert hole.piece.received == start  # not taken
    poller.take(poller.post(both))
    for _ in range(3):
        answer = poller.take(poller.post(first))
        assert answer.piece.received == start + len(both.piece.data)
    assert poller.hear(Barrier) == Barrier(2)
    poller.poll(wait_s=0.2)
    assert len([message for message in poller.heard if isinstance(message, Barrier)]) == 1
    assert stored(relay, room) == {"one", "two"}


def test_an_answer_that_was_lost_is_given_again(poller: Poller) -> None:
    poller.say(SyncStep1(b"\x00"), SyncStep2(EMPTY_UPDATE), Barrier(1))
    for _ in range(5):
        poller.post(poller.next_poll(wait_s=1))  # and nobody reads it
    assert poller.hear(Barrier) == Barrier(1)
    assert [type(message) for message in poller.heard if not isinstance(message, Awareness)] == [
        SyncStep1,
        SyncStep2,
        Barrier,
    ]


def test_a_large_update_goes_up_and_comes_down_in_pieces(relay: RelayProcess, poller: Poller, room: str) -> None:
    enter(poller)
    poller.say(SyncUpdate(update("large", "x" * 2_500_000)), Barrier(1))
    polls = 0
    while poller.stream.unacknowledged:
        poller.poll()
        polls += 1
    assert polls >= 3
    assert poller.hear(Barrier) == Barrier(1)
    with Poller(relay.url, room) as other:
        other.open()
        other.say(SyncStep1(b"\x00"))
        step = other.hear(SyncStep2)
        assert isinstance(step, SyncStep2)
        assert keys(step.update) == {"large"}


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x00\x09\x00", 4400),
        (encode(SyncUpdate(b"rubbish")), 4400),
        (b"\x01\x03\x01\x01\x00", 4400),
    ],
)
def test_what_is_not_the_protocol_ends_the_session_with_its_code(poller: Poller, frame: bytes, code: int) -> None:
    poller.stream.send(frame)
    ending = poller.until_ended()
    assert ending.code == code
    assert ending.reason
    poller.ending = None
    assert poller.until_ended() == ending  # and says so again, should the answer have been lost


def test_a_length_bomb_is_told_4413_before_its_bytes_come(poller: Poller) -> None:
    bomb = Poll(PollKind.POLL, poller.session, 5000, MOST, Piece(0, 0, b"\xff\xff\xff\xff\x0f"))
    answer = decode_answer(poller.post(bomb).content)
    assert answer.ending is not None
    assert answer.ending.code == 4413


def test_a_body_above_the_bound_is_told_413_and_the_session_goes_on(poller: Poller) -> None:
    response = poller.post(bytes(MAX_POLL_BYTES + 1))
    assert (response.status_code, response.json()["code"]) == (413, 4413)
    enter(poller)


@pytest.mark.parametrize("body", [b"", b"\x00", b"hello, relay", b"\x01\x00short", b"\x01\x07" + bytes(30)])
def test_a_body_that_is_no_poll_is_told_400(poller: Poller, body: bytes) -> None:
    response = poller.post(body)
    assert (response.status_code, response.json()["code"]) == (400, 4400)
    assert response.json()["error"]
    enter(poller)


def test_wrong_numbers_end_the_session(poller: Poller) -> None:
    enter(poller)
    poller.take(poller.post(Poll(PollKind.POLL, poller.session, 0, MOST, Piece(2**50, 0, b""))))
    assert poller.until_ended().code == 4400


def test_an_unknown_session_and_one_of_another_room_are_told_alike(relay: RelayProcess, poller: Poller) -> None:
    with Poller(relay.url, "poll/elsewhere") as other:
        other.open()
        stranger = other.post(Poll(PollKind.POLL, os.urandom(SESSION_BYTES), 0, MOST, NOTHING))
        thief = other.post(other.with_session_of(poller))
        assert (stranger.status_code, stranger.json()["code"]) == (410, 4500)
        assert stranger.content == thief.content
        taken = other.post(Poll(PollKind.OPEN, poller.session, 0, MOST, NOTHING))
        assert taken.status_code == 410
    enter(poller)


def test_two_clients_with_one_session_id_harm_nobody_else(relay: RelayProcess, poller: Poller, room: str) -> None:
    with Poller(relay.url, room) as bystander, Poller(relay.url, room, session=poller.session) as twin:
        bystander.open()
        enter(bystander)
        enter(poller)
        twin.say(SyncStep1(b"\x00"), SyncUpdate(update("twin")), Barrier(3))
        for _ in range(3):
            twin.client.post(twin.url, content=b"")
            response = twin.post(twin.next_poll())
            assert response.status_code == 200
        bystander.say(SyncUpdate(update("fine")), Barrier(9))
        assert bystander.hear(Barrier) == Barrier(9)
    assert "fine" in stored(relay, room)


@pytest.mark.parametrize(
    ("headers", "path"),
    [({"origin": "https://evil.example"}, "room"), ({"host": "evil.example"}, "room"), ({}, "a//b")],
)
def test_who_may_not_come_in_learns_why(relay: RelayProcess, headers: dict[str, str], path: str) -> None:
    with Poller(relay.url, path, headers=headers) as poller:
        response = poller.post(poller.next_poll(PollKind.OPEN))
    assert (response.status_code, response.json()["code"]) == (403, 4403)
    assert "access-control-allow-origin" not in response.headers


def test_a_page_of_a_listed_origin_may_poll_and_read_what_went_wrong(relay: RelayProcess) -> None:
    page = {"origin": "https://reader.example"}
    url = f"{relay.url.replace('ws:', 'http:')}/sync/page"
    asked = {**page, "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    preflight = httpx.options(url, headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "https://reader.example"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "content-type" in preflight.headers["access-control-allow-headers"]
    with Poller(relay.url, "page", headers=page) as poller:
        response = poller.post(poller.next_poll(PollKind.OPEN))
        wrong = poller.post(b"")
    for each in (response, wrong):
        assert each.headers["access-control-allow-origin"] == "https://reader.example"
        assert "no-store" in each.headers["cache-control"]
    assert "no-transform" in response.headers["cache-control"]
    assert response.headers["x-accel-buffering"] == "no"
    assert httpx.options(url, headers={"origin": "https://evil.example"}).status_code == 403
    refused = httpx.get(url)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST, OPTIONS")


def test_sessions_are_bounded_by_address_and_the_room_they_leave_is_given_back(tmp_path: Path) -> None:
    with RelayProcess(tmp_path, "--max-poll-sessions-per-address", "20") as relay:
        first = Poller(relay.url, "r")
        first.open()
        enter(first)
        codes = []
        for _ in range(1000):
            body = Poll(PollKind.OPEN, os.urandom(SESSION_BYTES), 0, MOST, NOTHING)
            response = first.post(body)
            codes.append(response.status_code)
        assert codes == [200] * 19 + [503] * 981
        assert response.json()["code"] == 1013
        first.say(SyncUpdate(update("fine")), Barrier(1))
        assert first.hear(Barrier) == Barrier(1)
        first.client.close()


@given(body=st.binary(max_size=80) | st.binary(max_size=80).map(lambda rest: b"\x01\x01" + bytes(16) + rest))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_posted_gets_a_clear_answer(poller: Poller, body: bytes) -> None:
    response = poller.post(body)
    assert (response.status_code, response.json()["code"]) in ((400, 4400), (410, 4500), (200, None))


def test_polls_whose_answers_nobody_reads_harm_nobody_else(relay: RelayProcess, poller: Poller, room: str) -> None:
    enter(poller)
    poller.say(SyncUpdate(update("large", "x" * 2_000_000)), Barrier(1))
    while poller.stream.unacknowledged:
        poller.poll()
    poller.hear(Barrier)
    before_kib = memory_kib(relay)
    deaf = []
    for _ in range(40):
        with Poller(relay.url, room) as session:
            session.open()
            session.say(SyncStep1(b"\x00"))
            session.poll()
            body = encode_poll(session.next_poll(wait_s=1))
        connection = socket.create_connection(("127.0.0.1", relay.port), timeout=10)
        head = f"POST /sync/{room} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        connection.sendall((head + body) * 20)
        deaf.append(connection)
    try:
        poller.heard.clear()
        poller.say(Barrier(2))
        assert poller.hear(Barrier) == Barrier(2)
        assert memory_kib(relay) - before_kib < 40 * 4 * 1024  # an answer and its copies on the way, for each
    finally:
        for connection in deaf:
            connection.close()


def memory_kib(relay: RelayProcess) -> int:
    lines = Path(f"/proc/{relay.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def test_sigterm_answers_open_polls_with_1001_and_ends_with_0(tmp_path: Path) -> None:
    relay = RelayProcess(tmp_path)
    relay.start()
    with Poller(relay.url, "r") as poller, ThreadPoolExecutor() as threads:
        poller.open()
        enter(poller)
        poller.say(SyncUpdate(update("last")), Barrier(1))
        poller.hear(Barrier)
        while poller.poll(wait_s=0.2).piece.data:
            pass
        opened = threading.Event()

        def wait() -> None:
            poller.take(poller.post(poller.next_poll(wait_s=20), sent=opened.set))

        waiting = threads.submit(wait)
        assert opened.wait(10)
        statuses = threads.submit(relay.terminate)
        waiting.result(20)
        assert poller.ending is not None
        assert poller.ending.code == 1001
        assert statuses.result(20) == 0, "".join(relay.output)
    assert not any("Traceback" in line for line in relay.output)
    opened_and_gone = [line for line in relay.output if "transport=polling" in line or "gone room='r'" in line]
    assert len(opened_and_gone) == 2  # and nothing for a poll
    relay.start()
    assert stored(relay, "r") == {"last"}
    assert relay.terminate() == 0
