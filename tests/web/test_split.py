"""A large update that the package cuts: Python's fit check takes the pieces one after another."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc

from crdt_sync.protocol.update import decode_state_vector, fits, read_update
from tests.protocol.test_split import BOUND, as_values, library, steps, structs_in
from tests.web.conftest import Package


@settings(max_examples=150)
@given(steps=steps, from_half=st.booleans())
def test_each_piece_fits_when_those_before_it_are_in(
    package: Package, steps: list[tuple[int, int, str]], from_half: bool
) -> None:
    source, half = library(steps)
    target: Doc[Any] = Doc()
    if from_half:
        target.apply_update(half)
    diff = source.get_update(target.get_state())
    pieces = [bytes.fromhex(piece) for piece in package("split", {"update": diff.hex(), "most": BOUND})]
    assert len(pieces) > 1 or len(diff) <= BOUND
    for piece in pieces:
        assert fits(read_update(piece), decode_state_vector(target.get_state()))
        assert len(piece) <= BOUND or structs_in(piece) <= 1
        target.apply_update(piece)
    assert decode_state_vector(target.get_state()) == decode_state_vector(source.get_state())
    assert as_values(target) == as_values(source)
