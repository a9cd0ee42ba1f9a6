"""The load reads what it was sent as it was sent: merged, fragmented, compressed, with or without a document's name."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import merge_updates

from benchmarks.stream import frame_head, masked_frame
from benchmarks.wire import (
    STEP_2,
    SYNC,
    UPDATE,
    Room,
    first_arrivals,
    highlights,
    highlights_held,
    marks_in,
    whole_messages,
)

ROOMS = [Room("ws://x", "room"), Room("ws://x", "räume/1", names_document=True)]


@pytest.mark.parametrize("room", ROOMS)
def test_a_message_is_read_as_it_was_written(room: Room) -> None:
    assert room.sync(room.message(SYNC, UPDATE, b"update")) == (UPDATE, b"update")
    assert room.sync(room.message(1, b"presence")) is None


@pytest.mark.parametrize("room", ROOMS)
def test_a_client_says_who_it_is_only_where_it_is_asked(room: Room) -> None:
    hello = room.hello(b"\x00")
    assert len(hello) == (3 if room.names_document else 2)
    assert [room.sync(message) for message in hello[-2:]] == [(0, b"\x00"), (STEP_2, b"\x00\x00")]


def test_every_highlight_is_found_in_a_merged_update_and_once() -> None:
    updates = [update for writer in (1, 23) for update in highlights(writer, 5)]
    expected = {(writer, number) for writer in (1, 23) for number in range(5)}
    assert marks_in(merge_updates(*updates)) == expected
    assert first_arrivals([(2.0, updates[0]), (1.0, merge_updates(*updates)), (3.0, updates[1])]) == {
        **dict.fromkeys(expected, 1.0),
        (1, 0): 2.0,
    }


def test_what_is_held_is_counted_and_a_missing_field_is_noticed() -> None:
    updates = highlights(7, 4)
    assert highlights_held(updates) == 4
    assert highlights_held(highlights(7, 3, comment_bytes=100), fields_each=4) == 3
    with pytest.raises(AssertionError, match="lacks fields"):
        highlights_held(updates, fields_each=4)


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 4), st.booleans())
def test_frames_come_together_to_messages(messages: list[bytes], pieces: int, compressed: bool) -> None:
    deflate = zlib.compressobj(wbits=-15)
    frames = []
    for at, message in enumerate(messages):
        data = message
        if compressed:  # RFC 7692: one stream for all messages, the tail of each flush left out
            data = (deflate.compress(message) + deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")
        size = max(1, -(-len(data) // pieces))
        parts = [data[start : start + size] for start in range(0, len(data), size)] or [b""]
        for number, part in enumerate(parts):
            frames.append((float(at), part, compressed and not number, number == len(parts) - 1))
    assert list(whole_messages(frames)) == [(float(at), message) for at, message in enumerate(messages)]


@given(st.binary(min_size=0, max_size=70_000))
def test_the_head_of_a_frame_says_how_long_it_is(payload: bytes) -> None:
    frame = masked_frame(payload)
    unmasked = bytes((frame[0], frame[1] & 0x7F)) + frame[2 : len(frame) - len(payload) - 4]
    head = frame_head(unmasked + payload[:10])
    assert head == (0x82, len(unmasked), len(payload))
    assert all(frame_head(unmasked[:size]) is None for size in range(len(unmasked)))
