"""The streams of a poll session over a network that loses, repeats, delays and reorders, and bytes of any kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from crdt_sync.errors import LocalProtocolError, RemoteProtocolError
from crdt_sync.protocol.messages import Barrier, encode
from crdt_sync.protocol.polling import (
    MAX_PIECE_BYTES,
    SESSION_BYTES,
    Answer,
    Ending,
    Piece,
    Poll,
    PollKind,
    PollStream,
    decode_answer,
    decode_poll,
    encode_answer,
    encode_poll,
)

SESSION = bytes(range(SESSION_BYTES))
NUMBERS = st.integers(0, 2**53 - 1)
FRAMES = st.binary(min_size=1, max_size=300)


@dataclass
class End:
    stream: PollStream = field(default_factory=PollStream)
    sent: list[bytes] = field(default_factory=list)
    got: list[bytes] = field(default_factory=list)

    def say(self, frame: bytes) -> None:
        self.stream.send(frame)
        self.sent.append(frame)

    def take(self, piece: Piece) -> None:
        self.got += self.stream.take(piece)


class LossyNetwork(RuleBasedStateMachine):
    """A client and a relay. Whatever is on its way may arrive at any time, any number of times, or never."""

    def __init__(self) -> None:
        super().__init__()
        self.client, self.relay = End(), End()
        self.polls: list[bytes] = []
        self.answers: list[bytes] = []

    @rule(frame=FRAMES)
    def the_client_speaks(self, frame: bytes) -> None:
        self.client.say(frame)

    @rule(frame=FRAMES)
    def the_relay_speaks(self, frame: bytes) -> None:
        self.relay.say(frame)

    @rule(most=st.integers(0, 500), up=st.integers(0, 500))
    def the_client_polls(self, most: int, up: int) -> None:
        poll = Poll(PollKind.POLL, SESSION, 0, most, self.client.stream.piece(up))
        self.polls.append(encode_poll(poll))

    @precondition(lambda self: self.polls)
    @rule(data=st.data(), once=st.booleans())
    def a_poll_arrives(self, data: st.DataObject, once: bool) -> None:
        index = data.draw(st.integers(0, len(self.polls) - 1))
        body = self.polls.pop(index) if once else self.polls[index]
        poll = decode_poll(body)
        assert not self.relay.stream.is_strange(poll.piece)
        self.relay.take(poll.piece)
        self.answers.append(encode_answer(Answer(self.relay.stream.piece(poll.most))))

    @precondition(lambda self: self.answers)
    @rule(data=st.data(), once=st.booleans())
    def an_answer_arrives(self, data: st.DataObject, once: bool) -> None:
        index = data.draw(st.integers(0, len(self.answers) - 1))
        body = self.answers.pop(index) if once else self.answers[index]
        self.client.take(decode_answer(body).piece)

    @rule()
    def the_network_heals(self) -> None:
        """A few rounds without loss bring everything over, whatever was lost before."""
        for _ in range(2):
            self.relay.take(self.client.stream.piece(MAX_PIECE_BYTES))
            self.client.take(self.relay.stream.piece(MAX_PIECE_BYTES))
        self.relay.take(self.client.stream.piece(MAX_PIECE_BYTES))
        assert self.relay.got == self.client.sent
        assert self.client.got == self.relay.sent
        assert self.client.stream.unacknowledged == self.client.stream.kept_frames == 0
        assert self.relay.stream.unacknowledged == self.relay.stream.kept_frames == 0

    @invariant()
    def frames_arrive_once_and_in_order(self) -> None:
        assert self.relay.got == self.client.sent[: len(self.relay.got)]
        assert self.client.got == self.relay.sent[: len(self.client.got)]


TestLossyNetwork = LossyNetwork.TestCase


@given(st.lists(FRAMES), st.lists(st.integers(1, 50), min_size=1))
def test_a_stream_may_be_cut_anywhere(frames: list[bytes], cuts: list[int]) -> None:
    sender, receiver = PollStream(), PollStream()
    for frame in frames:
        sender.send(frame)
    got: list[bytes] = []
    turn = 0
    while sender.unacknowledged:
        piece = sender.piece(cuts[turn % len(cuts)])
        got += receiver.take(piece)
        sender.take(Piece(receiver.received, 0, b""))
        turn += 1
    assert got == frames
    assert receiver.partial == 0


def test_a_hole_is_not_taken_and_what_is_known_is_not_taken_again() -> None:
    sender, receiver = PollStream(), PollStream()
    sender.send(b"one")
    sender.send(b"two")
    whole = sender.piece(100)
    assert receiver.take(Piece(0, 1, whole.data[1:])) == []
    assert receiver.received == 0
    assert receiver.take(Piece(0, 0, whole.data[:6])) == [b"one"]
    assert receiver.take(whole) == [b"two"]
    assert receiver.take(whole) == []


def test_a_piece_begins_where_the_other_end_is_though_an_old_poll_says_less() -> None:
    sender = PollStream()
    sender.send(b"x" * 10)
    sender.take(Piece(7, 0, b""))
    sender.take(Piece(3, 0, b""))
    assert sender.piece(100) == Piece(0, 7, b"x" * 4)
    assert sender.ends_with(sender.piece(100))
    assert not sender.ends_with(sender.piece(3))


def test_what_was_never_sent_is_not_acknowledged() -> None:
    with pytest.raises(RemoteProtocolError, match="acknowledged"):
        PollStream().take(Piece(1, 0, b""))


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"\x00", 4400), (b"\x65", 4413), (b"\xff\xff\xff\xff\xff\xff\xff\x0f", 4413), (b"\xff" * 8, 4400)],
    ids=["empty frame", "frame above the bound", "length bomb", "no integer"],
)
def test_a_length_is_judged_before_its_bytes_have_come(data: bytes, code: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        PollStream(max_frame_bytes=100).take(Piece(0, 0, data))
    assert caught.value.close_code == code


def test_a_length_may_come_in_parts() -> None:
    stream = PollStream()
    assert stream.take(Piece(0, 0, b"\x80")) == []
    assert stream.take(Piece(0, 1, b"\x01" + b"y" * 127)) == []
    assert stream.take(Piece(0, 129, b"y")) == [b"y" * 128]


PIECES = st.builds(Piece, NUMBERS, NUMBERS, st.binary(max_size=50))


@given(st.builds(Poll, st.just(PollKind.POLL), st.binary(min_size=16, max_size=16), NUMBERS, NUMBERS, PIECES))
def test_a_poll_comes_back(poll: Poll) -> None:
    assert decode_poll(encode_poll(poll)) == poll


@given(st.builds(Answer, PIECES, st.none() | st.builds(Ending, NUMBERS, st.text())))
def test_an_answer_comes_back(answer: Answer) -> None:
    assert decode_answer(encode_answer(answer)) == answer


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda rest: b"\x01" + rest))
def test_any_bytes_are_a_poll_or_a_clear_error(body: bytes) -> None:
    for decode in (decode_poll, decode_answer):
        try:
            decode(body)
        except RemoteProtocolError as error:
            assert error.close_code in (4400, 4413)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "ends early"),
        (b"\x02\x00", "version 2"),
        (b"\x01\x03", "kind"),
        (b"\x01\x00" + SESSION[:-1], "announced"),
        (b"\x01\x01" + SESSION + b"\x00\x00\x80", "inside an integer"),
        (b"\x01\x00" + SESSION + b"\x00\x00\x00\x00x", "opens"),
        (b"\x01\x00" + SESSION + b"\x00\x00\x01\x00", "opens"),
    ],
)
def test_what_is_wrong_with_a_poll_is_said(body: bytes, why: str) -> None:
    with pytest.raises(RemoteProtocolError, match=why):
        decode_poll(body)


def test_what_a_poll_cannot_carry_is_our_mistake() -> None:
    for session, data in ((b"short", b""), (SESSION, bytes(MAX_PIECE_BYTES + 1))):
        with pytest.raises(LocalProtocolError):
            encode_poll(Poll(PollKind.POLL, session, 0, 0, Piece(0, 0, data)))


@given(st.lists(FRAMES), st.lists(FRAMES))
def test_what_was_said_in_another_session_is_strange_to_a_new_one(spoken: list[bytes], heard: list[bytes]) -> None:
    """Unless nothing has come through either way: then there is no difference."""
    client, relay = PollStream(), PollStream()
    for stream, frames in ((client, spoken), (relay, heard)):
        for frame in frames:
            stream.send(frame)
    relay.take(client.piece(MAX_PIECE_BYTES))
    client.take(relay.piece(MAX_PIECE_BYTES))
    assert PollStream().is_strange(client.piece(0)) == bool(spoken or heard)


def test_a_session_that_is_over_keeps_nothing() -> None:
    stream = PollStream()
    stream.send(b"x" * 100)
    stream.take(Piece(0, 0, b"\x05abc"))
    stream.discard()
    assert stream.unacknowledged == stream.partial == stream.kept_frames == 0


def test_the_examples_of_the_docs() -> None:
    client, relay = PollStream(), PollStream()
    head = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
    opening = Poll(PollKind.OPEN, head, 0, MAX_PIECE_BYTES, client.piece(0))
    assert encode_poll(opening) == b"\x01\x00" + head + bytes.fromhex("00 808040 00 00")
    client.send(encode(Barrier(7)))
    poll = Poll(PollKind.POLL, head, 0, MAX_PIECE_BYTES, client.piece(MAX_PIECE_BYTES))
    assert encode_poll(poll) == b"\x01\x01" + head + bytes.fromhex("00 808040 00 00 03660107")
    assert relay.take(poll.piece) == [encode(Barrier(7))]
    assert encode_answer(Answer(relay.piece(MAX_PIECE_BYTES))) == bytes.fromhex("01 00 04 00")
    examples = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")
    for example in ("01 00 0001…0f 00 808040 00 00", "01 01 0001…0f 00 808040 00 00 03660107", "01 00 04 00"):
        assert f"`{example}`" in examples
