"""Our frames against wsproto's: what a client sends is heard alike, however it is cut, and what we send is read."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage
from wsproto.events import Ping as TheirPing
from wsproto.utilities import RemoteProtocolError

from crdt_sync_server.frames import (
    Broken,
    CloseFrame,
    FrameReader,
    Heard,
    Ping,
    Text,
    TooBig,
    close_frame,
    close_payload,
    header,
    pong,
)

BOUND = 100_000


def frame(first: int, payload: bytes, mask: bytes = b"abcd", *, masked: bool = True, long: int = 0) -> bytes:
    """Return a frame as a client sends it; `long` writes its length in more bytes than it needs."""
    bit, length = 0x80 if masked else 0, len(payload)
    if length < 126 and not long:
        head = bytes((first, bit | length))
    elif length < 65536 and long < 2:
        head = bytes((first, bit | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((first, bit | 127)) + length.to_bytes(8, "big")
    if not masked:
        return head + payload
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


def theirs(data: bytes) -> list[object]:
    """Return what wsproto hears; "broken" for what it refuses."""
    server, heard, parts = Connection(ConnectionType.SERVER), [], bytearray()
    try:
        server.receive_data(data)
        for event in server.events():
            if isinstance(event, BytesMessage | TextMessage):
                parts += event.data.encode() if isinstance(event, TextMessage) else event.data
                if event.message_finished:
                    heard.append(Text() if isinstance(event, TextMessage) else bytes(parts))
                    parts.clear()
            elif isinstance(event, TheirPing):
                heard.append(Ping(bytes(event.payload)))
            elif isinstance(event, CloseConnection):
                heard.append("closed")
                break
    except RemoteProtocolError:
        heard.append("broken")
    return heard


def ours(pieces: Sequence[bytes]) -> list[Heard]:
    reader, heard = FrameReader(BOUND), []
    for piece in pieces:
        heard += reader.feed(piece)
    return heard


MASKS = st.binary(min_size=4, max_size=4)
WORDS = st.text(alphabet="abcäö", max_size=130).map(str.encode)
BYTES = st.sampled_from([125, 126, 127, 65535, 65536]).map(lambda size: b"x" * size)
CLOSES = st.sampled_from([struct.pack("!H", 1000), struct.pack("!H", 4400) + b"why", b""])
FRAMES = st.one_of(
    st.builds(frame, st.sampled_from([0x82, 0x82, 0x02, 0x00, 0x80, 0x81, 0x01]), WORDS | BYTES, MASKS),
    st.builds(frame, st.sampled_from([0x89, 0x8A]), WORDS | BYTES, MASKS),
    st.builds(frame, st.just(0x88), CLOSES, MASKS),
)


@given(st.lists(FRAMES, max_size=8).map(b"".join), st.data())
def test_what_is_heard_is_what_wsproto_hears_however_it_is_cut(data: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=6)))
    pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    heard = ours(pieces)
    assert heard == ours([data])
    expected = theirs(data)
    ended = next((one for one in heard if isinstance(one, Broken | CloseFrame | TooBig)), None)
    if ended is not None:
        assert heard[-1] is ended  # nothing comes after it
        heard = heard[:-1]
        assert expected[len(heard) :] in (["closed"], ["broken"])
        expected = expected[: len(heard)]
    assert heard == expected


@given(st.binary(max_size=300), st.data())
def test_any_bytes_are_heard_alike_however_they_are_cut(data: bytes, draw: st.DataObject) -> None:
    cut = draw.draw(st.integers(0, len(data)))
    assert ours([data[:cut], data[cut:]]) == ours([data])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (frame(0x82, b"x", masked=False), "masked"),
        (frame(0xC2, b"x"), "extension"),
        (frame(0x82, b"x", long=1), "more bytes than it needs"),
        (frame(0x82, b"x" * 200, long=2), "more bytes than it needs"),
        (b"\x82\xff\x80" + bytes(7), "more bytes than it needs"),
        (frame(0x02, b"x") + frame(0x82, b"y"), "within a message"),
        (frame(0x80, b"x"), "continuation of no message"),
        (frame(0x83, b"x"), "opcode, 3"),
        (frame(0x09, b"x"), "control frame"),
        (frame(0x89, b"x" * 126), "control frame"),
        (frame(0x88, b"x"), "close without a code"),
        (frame(0x88, b"\x03\xed"), "close without a code"),
        (frame(0x88, b"\x00\x01bye"), "close without a code"),
    ],
)
def test_what_is_no_frame_is_said_and_nothing_more_is_heard(data: bytes, words: str) -> None:
    reader = FrameReader(BOUND)
    *before, broken = reader.feed(data)
    assert not before
    assert isinstance(broken, Broken)
    assert words in broken.reason
    assert reader.feed(frame(0x82, b"more")) == []
    assert reader.held_bytes == 0


@pytest.mark.parametrize("announced", [BOUND + 1, 2**40, 2**62])
def test_a_message_that_is_too_big_is_refused_before_it_comes(announced: int) -> None:
    head = b"\x82\xff" + announced.to_bytes(8, "big")
    assert ours([head]) == [TooBig()]


def test_the_bound_is_of_a_message_and_not_of_a_frame() -> None:
    half = BOUND // 2
    assert ours([frame(0x02, b"x" * half), frame(0x80, b"y" * half)]) == [b"x" * half + b"y" * half]
    assert ours([frame(0x02, b"x" * half), frame(0x80, b"y" * (half + 1))]) == [TooBig()]


def test_a_close_is_answered_with_its_code_and_not_with_its_reason() -> None:
    assert ours([frame(0x88, b"\x03\xe8\xff\xff")]) == [CloseFrame(b"\x03\xe8")]
    assert ours([frame(0x88, b"")]) == [CloseFrame(b"")]


def test_what_waits_is_counted() -> None:
    reader = FrameReader(BOUND)
    reader.feed(frame(0x02, b"x" * 1000))
    assert reader.held_bytes == 1000
    reader.feed(frame(0x80, b"y" * 1000)[:-1])
    assert reader.held_bytes >= 1999
    reader.end()
    assert reader.held_bytes == 0


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65535, 65536, 200_000])
def test_what_we_send_is_read(length: int) -> None:
    payload = bytes([length % 251]) * length
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(header(length) + payload + pong(b"p") + close_frame(close_payload(4413, "ä" * 100)))
    said = bytearray()
    *messages, closed = [event for event in client.events() if isinstance(event, BytesMessage | CloseConnection)]
    for message in messages:
        assert isinstance(message, BytesMessage)
        said += message.data
    assert said == payload
    assert isinstance(closed, CloseConnection)
    assert (closed.code, closed.reason) == (4413, "ä" * 61)
