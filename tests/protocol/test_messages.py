from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Text

from crdt_sync.errors import LocalProtocolError, RemoteProtocolError
from crdt_sync.protocol.messages import (
    MAX_AWARENESS_STATE_BYTES,
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
    Unknown,
    decode,
    encode,
)
from crdt_sync.protocol.wire import MAX_SAFE_INTEGER
from tests.conftest import Yjs

uints = st.integers(0, MAX_SAFE_INTEGER)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
entries = st.builds(AwarenessEntry, uints, uints, json_values.map(json.dumps))
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(SyncStep1, st.binary()),
    st.builds(SyncStep2, st.binary()),
    st.builds(SyncUpdate, st.binary()),
    st.builds(Awareness, st.lists(entries, max_size=4).map(tuple)),
    st.just(QueryAwareness()),
    st.builds(PermissionDenied, st.text()),
    st.builds(Barrier, uints),
    st.builds(FreshToken, st.text()),
    st.builds(TokenHolds, st.integers(0, 2**53 - 1)),
)
with_node = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(st.lists(messages, min_size=1, max_size=4))
def test_messages_come_back_one_or_several_a_frame(sent: list[Message]) -> None:
    assert decode(b"".join(map(encode, sent))) == sent


def update_of(text: str) -> bytes:
    doc: Doc[Text] = Doc()
    doc.get("t", type=Text).insert(0, text)
    return doc.get_update()


@with_node
@given(text=st.text(), number=uints, reason=st.text())
@example(text="Grüße 𝔘 日本", number=MAX_SAFE_INTEGER, reason="пока 🙂")
def test_we_read_what_y_protocols_writes(yjs: Yjs, text: str, number: int, reason: str) -> None:
    update = update_of(text)
    frame = yjs("encodeMessage", {"type": "SyncUpdate", "update": update.hex()})
    assert decode(bytes.fromhex(frame)) == [SyncUpdate(update)]
    doc: Doc[Any] = Doc()
    doc.apply_update(update)
    (step_1,) = decode(bytes.fromhex(yjs("encodeMessage", {"type": "SyncStep1", "update": update.hex()})))
    assert step_1 == SyncStep1(doc.get_state())
    (step_2,) = decode(bytes.fromhex(yjs("encodeMessage", {"type": "SyncStep2", "update": update.hex()})))
    assert step_2 == SyncStep2(doc.get_update())
    frame = yjs("encodeMessage", {"type": "PermissionDenied", "reason": reason})
    assert decode(bytes.fromhex(frame)) == [PermissionDenied(reason)]
    frame = yjs("encodeMessage", {"type": "Barrier", "number": number})
    assert decode(bytes.fromhex(frame)) == [Barrier(number)]


presence = st.dictionaries(uints, st.tuples(st.integers(1, 2**31), st.none() | st.dictionaries(st.text(), st.text())))


@with_node
@given(presence=presence)
@example(presence={7: (1, {"name": "Zoë 🙂 日本"})})
def test_presence_crosses_both_ways(yjs: Yjs, presence: dict[int, tuple[int, dict[str, str] | None]]) -> None:
    rows = [[client, clock, state] for client, (clock, state) in presence.items()]
    (received,) = decode(bytes.fromhex(yjs("encodeMessage", {"type": "Awareness", "entries": rows})))
    assert isinstance(received, Awareness)
    assert [[e.client_id, e.clock, json.loads(e.state)] for e in received.entries] == rows
    assert yjs("decodeMessage", encode(received).hex()) == [1, rows]


@with_node
@given(message=st.one_of(st.builds(SyncStep1, st.binary()), st.builds(SyncStep2, st.binary())))
def test_y_protocols_reads_our_sync_messages(yjs: Yjs, message: SyncStep1 | SyncStep2) -> None:
    body = message.state_vector if isinstance(message, SyncStep1) else message.update
    step = 0 if isinstance(message, SyncStep1) else 1
    assert yjs("decodeMessage", encode(message).hex()) == [0, step, body.hex()]


@with_node
@given(update=st.binary(), number=uints, reason=st.text())
def test_y_protocols_reads_our_other_messages(yjs: Yjs, update: bytes, number: int, reason: str) -> None:
    assert yjs("decodeMessage", encode(SyncUpdate(update)).hex()) == [0, 2, update.hex()]
    assert yjs("decodeMessage", encode(Barrier(number)).hex()) == [102, number]
    assert yjs("decodeMessage", encode(PermissionDenied(reason)).hex()) == [2, reason]
    assert yjs("decodeMessage", encode(QueryAwareness()).hex()) == [3]


@settings(max_examples=1000)
@given(
    st.binary()
    | st.builds(lambda kind, rest: bytes((kind,)) + rest, st.sampled_from([0, 1, 2, 3, 102, 103, 104]), st.binary())
)
@example(b"\x01\x0a\x01\x01\x01\x06[[[[[[")
def test_any_bytes_give_messages_or_the_peers_error(frame: bytes) -> None:
    try:
        assert decode(frame)
    except RemoteProtocolError as error:
        assert error.close_code in (4400, 4413)


@settings(max_examples=500)
@given(st.lists(messages, min_size=1, max_size=3), st.data())
def test_a_mutated_frame_gives_messages_or_the_peers_error(sent: list[Message], data: st.DataObject) -> None:
    frame = bytearray(b"".join(map(encode, sent)))
    for _ in range(data.draw(st.integers(1, 3))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(frame[: data.draw(st.integers(0, len(frame)))]))
    except RemoteProtocolError as error:
        assert error.close_code in (4400, 4413)


def test_a_frame_above_the_bound_says_so() -> None:
    with pytest.raises(RemoteProtocolError, match="11 bytes; 10 are allowed") as caught:
        decode(b"\x00" * 11, max_bytes=10)
    assert caught.value.close_code == 4413


def test_a_presence_above_the_bound_says_so() -> None:
    state = json.dumps("x" * MAX_AWARENESS_STATE_BYTES)
    with pytest.raises(RemoteProtocolError) as caught:
        decode(encode(Awareness((AwarenessEntry(1, 1, state),))))
    assert caught.value.close_code == 4413


@pytest.mark.parametrize("state", ["", "{", "NaN", "-Infinity", "[" * 50_000])
def test_a_presence_that_javascript_cannot_parse_is_refused(state: str) -> None:
    with pytest.raises(RemoteProtocolError, match="JSON"):
        decode(encode(Awareness((AwarenessEntry(1, 1, state),))))


def test_an_unknown_type_is_told_apart_and_never_sent() -> None:
    assert decode(b"\x07abc") == [Unknown(7, b"abc")]
    with pytest.raises(LocalProtocolError):
        encode(Unknown(7, b"abc"))


@pytest.mark.parametrize(
    "frame", [b"", b"\x00", b"\x00\x03\x00", b"\x02\x01\x00", b"\x66\x02\x01\x01", b"\x01\x02\x00\x00"]
)
def test_what_is_not_the_protocol(frame: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode(frame)
    assert caught.value.close_code == 4400


def test_the_empty_awareness_is_three_bytes() -> None:
    assert encode(Awareness(())) == b"\x01\x01\x00"
