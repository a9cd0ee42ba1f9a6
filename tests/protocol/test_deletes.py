from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Array, Doc

from crdt_sync.protocol.deletes import adds_deletes
from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync.protocol.wire import write_var_uint

ranges = st.dictionaries(
    st.integers(1, 3), st.lists(st.tuples(st.integers(0, 30), st.integers(1, 5)), min_size=1, max_size=6), max_size=3
)


def deletes(of: dict[int, list[tuple[int, int]]]) -> bytes:
    out = bytearray(b"\x00")
    write_var_uint(out, len(of))
    for client, of_client in of.items():
        write_var_uint(out, client)
        write_var_uint(out, len(of_client))
        for clock, length in of_client:
            write_var_uint(out, clock)
            write_var_uint(out, length)
    return bytes(out)


def clocks(of: dict[int, list[tuple[int, int]]]) -> set[tuple[int, int]]:
    return {(client, clock + n) for client, each in of.items() for clock, length in each for n in range(length)}


@given(ranges, ranges)
def test_it_is_what_a_set_of_clocks_says(
    update: dict[int, list[tuple[int, int]]], known: dict[int, list[tuple[int, int]]]
) -> None:
    assert adds_deletes(deletes(update), deletes(known)) == (not clocks(update) <= clocks(known))


@given(st.lists(st.integers(0, 9), max_size=12))
def test_a_document_adds_nothing_to_itself_and_each_deletion_adds_to_what_was(positions: list[int]) -> None:
    doc: Doc[Any] = Doc()
    values = doc.get("a", type=Array)
    values.extend(list(range(10)))
    for position in positions:
        before = doc.get_update(doc.get_state())
        assert not adds_deletes(doc.get_update(), before)
        if position < len(values):
            del values[position]
            assert adds_deletes(doc.get_update(), before)
    assert not adds_deletes(EMPTY_UPDATE, doc.get_update())
