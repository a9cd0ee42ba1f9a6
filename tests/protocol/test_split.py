from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Map, Text

from crdt_sync.errors import LocalProtocolError
from crdt_sync.protocol.split import split_update
from crdt_sync.protocol.structs import read_struct
from crdt_sync.protocol.update import decode_state_vector, fits, read_update
from crdt_sync.protocol.wire import Reader
from tests.conftest import Yjs

BOUND = 120


def library(steps: list[tuple[int, int, str]]) -> tuple[Doc[Any], bytes]:
    """Three documents that write and meet; the first, and what it held half-way."""
    docs: list[Doc[Any]] = [Doc(client_id=client) for client in (300, 2**40, 5)]
    half = docs[0].get_update()
    for number, (author, action, text) in enumerate(steps):
        doc = docs[author]
        values, note = doc.get("m", type=Map), doc.get("t", type=Text)
        if action == 0:
            values[text] = {"n": number}
        elif action == 1:
            note.insert(0, text + "𝔘")
        elif action == 2 and text in values:
            del values[text]
        else:
            doc.apply_update(docs[(author + 1) % 3].get_update())
        if number == len(steps) // 2:
            half = docs[0].get_update()
    docs[0].apply_update(docs[1].get_update())
    docs[0].apply_update(docs[2].get_update())
    return docs[0], half


def as_values(doc: Doc[Any]) -> tuple[Any, str]:
    return doc.get("m", type=Map).to_py(), str(doc.get("t", type=Text))


steps = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from(["a", "b", "Grüße", "x" * 30])), max_size=40
)


def structs_in(data: bytes) -> int:
    reader, total = Reader(data), 0
    for _ in range(reader.count()):
        count, _, clock = reader.count(), reader.var_uint(), reader.var_uint()
        total += count
        for _ in range(count):
            clock += read_struct(reader, clock)[0]
    return total


def pieces_for(source: Doc[Any], target: Doc[Any]) -> list[bytes]:
    return split_update(source.get_update(target.get_state()), BOUND)


@given(steps, st.booleans())
def test_each_piece_fits_when_those_before_it_are_in(steps: list[tuple[int, int, str]], from_half: bool) -> None:
    source, half = library(steps)
    target: Doc[Any] = Doc()
    if from_half:
        target.apply_update(half)
    for piece in pieces_for(source, target):
        update = read_update(piece)
        assert fits(update, decode_state_vector(target.get_state()))
        assert len(piece) <= BOUND or structs_in(piece) <= 1
        target.apply_update(piece)
    assert decode_state_vector(target.get_state()) == decode_state_vector(source.get_state())
    assert as_values(target) == as_values(source)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_yjs_takes_the_pieces(yjs: Yjs, steps: list[tuple[int, int, str]]) -> None:
    source, _ = library(steps)
    values, text = as_values(source)
    answer = yjs("applyAll", [piece.hex() for piece in pieces_for(source, Doc())])
    assert answer == {"pending": False, "m": values, "t": text}


def test_a_small_update_stays_whole() -> None:
    source, _ = library([(0, 0, "a")])
    assert split_update(source.get_update(), 1000) == [source.get_update()]


def test_what_cannot_be_cut_says_so() -> None:
    gap = b"\x02\x01\x01\x00\x84\x02\x00\x01a\x01\x02\x00\x84\x01\x00\x01b\x00"  # each waits for the other
    hole = b"\x01\x02\x01\x00\x0a\x03\x04\x01\x01t\x01a\x00"
    for update in (gap, hole):
        read_update(update)
        with pytest.raises(LocalProtocolError):
            split_update(update, 4)
