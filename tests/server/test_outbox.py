from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Map, TransactionEvent

from crdt_sync.protocol.messages import Awareness, AwarenessEntry, SyncUpdate, decode, encode
from crdt_sync.protocol.update import encode_state_vector, reach, read_update
from crdt_sync_server import outbox as outbox_module
from crdt_sync_server.outbox import (
    EMPTY_AWARENESS,
    MAX_CONTROL_BYTES,
    MAX_CONTROL_FRAMES,
    MAX_TAIL_BATCHES,
    Behind,
    Closing,
    Outbox,
    Tail,
)


class Author:
    """A document that pushes each edit into a tail, and outboxes that are told."""

    def __init__(self, outboxes: int) -> None:
        self.doc: Doc[Any] = Doc()
        self.values = self.doc.get("m", type=Map)
        self.tail = Tail()
        self.woken = 0
        self.outboxes = [Outbox(self.tail, self._wake) for _ in range(outboxes)]
        self.readers: list[Doc[Any]] = [Doc() for _ in range(outboxes)]
        self._subscription = self.doc.observe(self._push)
        self._vector: dict[int, int] = {}

    def _wake(self) -> None:
        self.woken += 1

    def _push(self, event: TransactionEvent) -> None:
        moved = reach(read_update(event.update), self._vector)
        assert moved is not None
        self._vector.update(moved)
        self.tail.push(event.update, moved)
        for outbox in self.outboxes:
            outbox.content()

    def drain(self, index: int) -> int:
        """Let a reader take what waits; return the number of frames."""
        frames = 0
        while (item := self.outboxes[index].next()) is not None:
            frames += 1
            if isinstance(item, Behind):
                self.readers[index].apply_update(self.doc.get_update(encode_state_vector(item.state_vector)))
            else:
                assert isinstance(item, bytes)
                (message,) = decode(item)
                assert isinstance(message, SyncUpdate)
                self.readers[index].apply_update(message.update)
        return frames


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=60))
def test_every_reader_has_everything_once_it_has_drained(steps: list[tuple[int, int]]) -> None:
    """Steps: (reader that drains, or none; key that is written or, if 4, one that is deleted)."""
    author = Author(3)
    for reader, key in steps:
        if key < 4:
            author.values[f"k{key}"] = key
        elif "k0" in author.values:
            del author.values["k0"]
        if reader < 3:
            assert author.drain(reader) <= 1  # whatever waited came in one frame
            assert author.readers[reader].get("m", type=Map).to_py() == author.values.to_py()
    for reader in range(3):
        author.drain(reader)
        assert author.readers[reader].get_state() == author.doc.get_state()
        assert author.readers[reader].get("m", type=Map).to_py() == author.values.to_py()


def test_one_that_lags_beyond_the_tail_gets_a_diff_and_costs_no_memory(monkeypatch: Any) -> None:
    author = Author(2)
    for n in range(5):
        author.values[f"early{n}"] = n
    author.drain(0)
    author.drain(1)
    for n in range(3 * MAX_TAIL_BATCHES):
        author.values[f"late{n}"] = n
        if n == 10:
            author.drain(1)
    assert len(author.tail._batches) == MAX_TAIL_BATCHES
    first = author.outboxes[0].next()
    assert isinstance(first, Behind)
    author.readers[0].apply_update(author.doc.get_update(encode_state_vector(first.state_vector)))
    assert author.readers[0].get("m", type=Map).to_py() == author.values.to_py()
    author.outboxes[1].discard()
    assert not author.tail._marks
    assert not author.tail._lost


def test_the_tail_is_bounded_in_bytes(monkeypatch: Any) -> None:
    monkeypatch.setattr(outbox_module, "MAX_TAIL_BYTES", 1000)
    author = Author(1)
    for n in range(20):
        author.values[f"k{n}"] = "x" * 300
    assert author.tail._bytes <= 1000
    assert isinstance(author.outboxes[0].next(), Behind)


def test_those_that_lag_alike_share_the_bytes() -> None:
    author = Author(2)
    author.values["a"] = 1
    author.values["b"] = 2
    assert author.outboxes[0].next() is author.outboxes[1].next()


def test_frames_go_first_and_in_order_then_content_then_presence_then_the_close() -> None:
    author = Author(1)
    (box,) = author.outboxes
    here = (AwarenessEntry(1, 1, "{}"),)
    box.presence(here, encode(Awareness(here)))
    author.values["a"] = 1
    box.frame(b"one")
    box.frame(b"two")
    box.close(outbox_module.CloseCode.GOING_AWAY, "bye")
    assert box.next() == b"one"
    assert box.next() == b"two"
    content = box.next()
    assert isinstance(content, bytes)
    assert content[:2] == b"\x00\x02"
    assert box.next() == encode(Awareness(here))
    assert box.next() == Closing(outbox_module.CloseCode.GOING_AWAY, "bye")
    assert author.woken


def test_presence_waits_as_the_latest_of_each_client() -> None:
    box = Author(1).outboxes[0]
    for clock in range(1, 50):
        entries = (AwarenessEntry(1, clock, '"a"'), AwarenessEntry(clock % 2 + 2, clock, '"b"'))
        box.presence(entries, encode(Awareness(entries)))
    frame = box.next()
    assert isinstance(frame, bytes)
    (message,) = decode(frame)
    assert isinstance(message, Awareness)
    assert {(e.client_id, e.clock) for e in message.entries} == {(1, 49), (2, 48), (3, 49)}
    assert box.next() is None


def test_a_keep_alive_is_sent_only_into_silence() -> None:
    box = Author(1).outboxes[0]
    box.keep_alive()
    box.keep_alive()
    assert box.next() == EMPTY_AWARENESS
    assert box.next() is None


@pytest.mark.parametrize("frame", [b"x", b"x" * (MAX_CONTROL_BYTES // 4)])
def test_a_peer_that_asks_and_never_reads_is_closed(frame: bytes) -> None:
    box = Author(1).outboxes[0]
    for _ in range(MAX_CONTROL_FRAMES + 1):
        box.frame(frame)
    assert box.is_closing
    closing = box.next()
    assert isinstance(closing, Closing)
    assert closing.code == 1008


def test_a_tail_that_nobody_needs_holds_one_batch() -> None:
    author = Author(1)
    for n in range(20):
        author.values[f"k{n}"] = n
        author.drain(0)
    assert len(author.tail._batches) == 1


def test_a_connection_that_is_gone_leaves_no_mark_though_its_room_does_not_know_yet() -> None:
    """It goes while the room commits; the batch then goes to it too. The simulation found the mark that stayed."""
    author = Author(1)
    (gone,) = author.outboxes
    gone.discard()
    gone.content()
    gone.frame(EMPTY_AWARENESS)
    gone.presence([AwarenessEntry(1, 1, "{}")], encode(Awareness((AwarenessEntry(1, 1, "{}"),))))
    assert gone.next() is None
    for number in range(MAX_TAIL_BATCHES + 2):
        author.values["k"] = number
    assert len(author.tail._batches) == 1
    assert not author.tail._lost
    assert author.woken == 0
