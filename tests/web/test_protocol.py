"""The protocol in TypeScript is the one in Python, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt_sync.protocol.close_codes import CloseCode, retry_after
from crdt_sync.protocol.messages import (
    Awareness,
    AwarenessEntry,
    Barrier,
    FreshToken,
    Message,
    PermissionDenied,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    TokenHolds,
    decode,
    encode,
)
from crdt_sync.protocol.person import Person, color_of
from crdt_sync.protocol.polling import Answer, Ending, Piece, Poll, PollKind, PollStream, encode_answer, encode_poll
from crdt_sync.sync.credentials import renew_after_s
from tests.web.conftest import Package

EXAMPLES = settings(max_examples=60)
numbers = st.integers(0, 2**53 - 1)
texts = st.text(max_size=40).filter(lambda text: not any("\ud800" <= each <= "\udfff" for each in text))
blobs = st.binary(max_size=200)
updates = st.sampled_from([b"\x00\x00", b"\x01\x01\x05\x00\x04\x01\x01\x74\x01\x61\x00"])
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(SyncStep1, st.sampled_from([b"\x00", b"\x01\x05\x01"])),
    st.builds(SyncStep2, updates),
    st.builds(SyncUpdate, updates),
    st.builds(PermissionDenied, texts),
    st.just(QueryAwareness()),
    st.builds(Barrier, numbers),
    st.builds(FreshToken, texts),
    st.builds(TokenHolds, numbers),
)


def as_typescript(message: Message) -> dict[str, Any]:
    match message:
        case SyncStep1(state_vector=vector):
            return {"kind": "step1", "stateVector": {"hex": vector.hex()}}
        case SyncStep2(update=update):
            return {"kind": "step2", "update": {"hex": update.hex()}}
        case SyncUpdate(update=update):
            return {"kind": "update", "update": {"hex": update.hex()}}
        case PermissionDenied(reason=reason):
            return {"kind": "denied", "reason": reason}
        case QueryAwareness():
            return {"kind": "query"}
        case Barrier(number=number):
            return {"kind": "barrier", "number": number}
        case FreshToken(token=token):
            return {"kind": "token", "token": token}
        case TokenHolds(seconds=seconds):
            return {"kind": "holds", "seconds": seconds}
    raise AssertionError(message)


@EXAMPLES
@given(message=messages)
def test_messages_are_the_same_bytes_and_read_alike(package: Package, message: Message) -> None:
    frame = encode(message).hex()
    assert package("encode", as_typescript(message)) == frame
    assert package("decode", frame) == [as_typescript(message)]


def test_presence_is_read_as_one_message(package: Package) -> None:
    frame = encode(Awareness((AwarenessEntry(5, 1, '{"user":{"name":"Zoë"}}'),)))
    (message,) = package("decode", frame.hex())
    assert message["kind"] == "awareness"
    assert decode(bytes.fromhex(package("encode", message))) == decode(frame)


def test_close_codes_and_what_follows_from_each(package: Package) -> None:
    assert package("closeCodes") == [[code.name, code.value, retry_after(code).value] for code in CloseCode]
    for code in [*range(1000, 1016), *range(4395, 4420), *range(4495, 4505), 4599, 4600]:
        assert package("retryAfter", code) == retry_after(code).value, code


@EXAMPLES
@given(
    kind=st.sampled_from(PollKind),
    session=st.binary(min_size=16, max_size=16),
    counts=st.tuples(*[numbers] * 4),
    data=blobs,
)
def test_polls_are_the_same_bytes(
    package: Package, kind: PollKind, session: bytes, counts: tuple[int, int, int, int], data: bytes
) -> None:
    wait, most, received, first = counts
    argument = {"kind": int(kind), "session": session.hex(), "wait": wait, "most": most}
    argument |= {"received": received, "first": first, "data": data.hex()}
    assert (
        package("encodePoll", argument)
        == encode_poll(Poll(kind, session, wait, most, Piece(received, first, data))).hex()
    )


@EXAMPLES
@given(
    received=numbers, first=numbers, data=blobs, ending=st.none() | st.builds(Ending, st.integers(1000, 4999), texts)
)
def test_answers_are_read_alike(
    package: Package, received: int, first: int, data: bytes, ending: Ending | None
) -> None:
    body = encode_answer(Answer(Piece(received, first, data), ending))
    assert package("decodeAnswer", body.hex()) == {
        "received": received,
        "first": first,
        "data": {"hex": data.hex()},
        "ending": None if ending is None else {"code": ending.code, "reason": ending.reason},
    }


@EXAMPLES
@given(frames=st.lists(st.binary(min_size=1, max_size=300), max_size=6))
def test_streams_are_framed_alike(package: Package, frames: list[bytes]) -> None:
    stream = PollStream()
    for frame in frames:
        stream.send(frame)
    assert package("stream", [frame.hex() for frame in frames]) == stream.piece(2**20).data.hex()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | texts, lambda inner: st.lists(inner, max_size=3), max_leaves=5
)
users = st.fixed_dictionaries(
    {},
    optional={
        "name": json_values,
        "color": st.sampled_from(["#AbCdEf", "red", "#12345", 5]),
        "avatar": st.sampled_from(
            [
                "https://a.example/b.png",
                "https://u:p@a.example/",
                "http://a/",
                "data:image/png;base64,AAAA",
                "javascript:x",
                1,
            ]
        ),
        "subject": json_values,
    },
)


@settings(max_examples=150)
@given(state=json_values | st.fixed_dictionaries({"user": json_values | users}))
def test_a_presence_is_the_same_person(package: Package, state: Any) -> None:
    person = Person.from_state(state)
    wanted = None
    if person is not None:
        wanted = {"name": person.name, "color": person.color, "avatar": person.avatar, "subject": person.subject}
    assert package("person", state) == wanted


@EXAMPLES
@given(subject=texts)
def test_colours_follow_alike(package: Package, subject: str) -> None:
    assert package("color", subject) == color_of(subject)


@pytest.mark.parametrize("left_s", [-5, 0, 1, 8, 60, 300, 3600, 10**7])
def test_tokens_are_renewed_at_the_same_time(package: Package, left_s: float) -> None:
    assert package("renewAfterMs", left_s * 1000) == renew_after_s(left_s) * 1000
