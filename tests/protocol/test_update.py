from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Map, Text

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.structs import MAX_NESTING
from crdt_sync.protocol.update import (
    EMPTY_UPDATE,
    Update,
    decode_state_vector,
    encode_state_vector,
    fits,
    read_update,
)
from tests.conftest import Yjs


@pytest.mark.parametrize("seed", range(1, 9))
def test_fits_agrees_with_yjs(yjs: Yjs, seed: int) -> None:
    """600 generated updates a seed; Yjs says by its own pending structs and deletes whether each fitted."""
    cases = yjs("fitCases", {"seed": seed * 7919, "count": 600})
    verdicts = {True: 0, False: 0}
    for case in cases:
        update = read_update(bytes.fromhex(case["update"]))
        verdict = fits(update, decode_state_vector(bytes.fromhex(case["vector"])))
        assert verdict == case["fits"], case
        verdicts[verdict] += 1
    assert min(verdicts.values()) > 100, verdicts  # both answers were really asked for


def test_a_whole_document_fits_nothing_and_a_tail_does_not() -> None:
    doc: Doc[Any] = Doc()
    text = doc.get("t", type=Text)
    text.insert(0, "one")
    middle = doc.get_state()
    text.insert(3, " 𝔱wo")
    tail = read_update(doc.get_update(middle))
    assert fits(read_update(doc.get_update()), {})
    assert fits(tail, decode_state_vector(middle))
    assert not fits(tail, {})


def test_a_delete_of_what_is_not_there_does_not_fit() -> None:
    doc: Doc[Any] = Doc()
    values = doc.get("m", type=Map)
    values["k"] = "v"
    before = doc.get_state()
    del values["k"]
    delete = read_update(doc.get_update(before))
    assert not any(delete.structs.values())
    assert fits(delete, decode_state_vector(before))
    assert not fits(delete, {})


def test_the_empty_update() -> None:
    update = read_update(EMPTY_UPDATE)
    assert update.is_empty
    assert fits(update, {})


@given(st.dictionaries(st.integers(0, 2**53 - 1), st.integers(0, 2**32 - 1)))
def test_a_state_vector_comes_back(vector: dict[int, int]) -> None:
    assert decode_state_vector(encode_state_vector(vector)) == vector


@settings(max_examples=1000)
@given(st.binary())
@example(b"\xff\xff\xff\xff\xff\xff\xff\x0f")
def test_any_bytes_are_an_update_or_the_peers_error(data: bytes) -> None:
    for read in (read_update, decode_state_vector):
        try:
            read(data)
        except RemoteProtocolError as error:
            assert error.close_code == 4400


@settings(max_examples=500)
@given(st.data())
def test_a_mutated_update_is_an_update_or_the_peers_error(data: st.DataObject) -> None:
    doc: Doc[Any] = Doc(client_id=300)  # a random id would vary the length under hypothesis' hands
    doc.get("m", type=Map)["k"] = {"a": [1, 2.5, None, True, "ü", -70], "b": {"c": b"\x01".hex()}}
    doc.get("t", type=Text).insert(0, "Grüße 𝔘")
    update = bytearray(doc.get_update())
    for _ in range(data.draw(st.integers(1, 4))):
        update[data.draw(st.integers(0, len(update) - 1))] = data.draw(st.integers(0, 255))
    try:
        fits(read_update(bytes(update)), {})
    except RemoteProtocolError as error:
        assert error.close_code == 4400


def test_a_value_that_nests_too_deep_is_refused() -> None:
    def update(depth: int) -> bytes:
        return b"\x01\x01\x07\x00\x08\x01\x01t\x01" + b"\x75\x01" * depth + b"\x7e" + b"\x00"

    read_update(update(MAX_NESTING))
    with pytest.raises(RemoteProtocolError, match="deeper"):
        read_update(update(MAX_NESTING + 1))


def test_bytes_after_the_end_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="follow"):
        read_update(EMPTY_UPDATE + b"\x00")


def test_structs_that_wait_for_one_another_do_not_fit_and_chains_stay_linear() -> None:
    circle = Update({1: [(0, 1, ((2, 0),))], 2: [(0, 1, ((1, 0),))]}, {})
    assert not fits(circle, {})
    count = 20_000  # by rounds over all clients this would be 2 * 10^8 steps
    chain = {n: [(0, 1, ((n - 1, 0),) if n else ())] for n in range(count)}
    assert fits(Update(chain, {}), {})
    assert fits(Update(dict(reversed(chain.items())), {}), {})
    del chain[0]
    assert not fits(Update(chain, {}), {})
