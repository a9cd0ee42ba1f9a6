"""What a peer sends takes memory in proportion to its bytes, whatever shape it gives them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.messages import MAX_AWARENESS_ENTRIES, MAX_MESSAGES_PER_FRAME, decode
from crdt_sync.protocol.update import MAX_CLIENTS, decode_state_vector, read_update
from crdt_sync.protocol.wire import write_bytes, write_var_uint

COUNT = 30_000
OF_A_CLIENT_BYTES = 600
"""A client id that is met for the first time costs its place in a table."""


def counted(count: int, each: Callable[[int], bytes], before: bytes = b"", after: bytes = b"") -> bytes:
    out = bytearray()
    write_var_uint(out, count)
    return bytes(out) + before + b"".join(map(each, range(count))) + after


def var_uint(number: int) -> bytes:
    out = bytearray()
    write_var_uint(out, number)
    return bytes(out)


def framed(body: bytes) -> bytes:
    out = bytearray(b"\x01")
    write_bytes(out, body)
    return bytes(out)


STRUCTS = {
    "garbage, 2 bytes each": b"\x00\x01",
    "holes": b"\x0a\x01",
    "deleted, in a root": b"\x01\x01\x00\x01",
    "after its own predecessor": b"\x84\x01\x00\x01a",
}


@pytest.mark.parametrize("name", STRUCTS)
def test_small_structs_take_no_more_than_their_bytes(name: str) -> None:
    update = b"\x01" + counted(COUNT, lambda _: STRUCTS[name], before=b"\x01\x01", after=b"\x00")
    assert peak_bytes(read_update, update) < len(update) + 100_000


def test_deletes_take_no_more_than_their_bytes() -> None:
    update = b"\x00\x01\x01" + counted(COUNT, lambda number: var_uint(2 * number) + b"\x01")
    assert peak_bytes(read_update, update) < len(update) + 100_000


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (decode_state_vector, counted(COUNT, lambda number: var_uint(number) + b"\x01")),
        (read_update, counted(COUNT, lambda number: b"\x01" + var_uint(number) + b"\x00\x00\x01", after=b"\x00")),
        (read_update, b"\x00" + counted(COUNT, lambda number: var_uint(number) + b"\x01\x00\x01")),
    ],
    ids=["state vector", "structs", "deletes"],
)
def test_many_clients_cost_a_place_in_a_table_each(read: Callable[[bytes], object], data: bytes) -> None:
    assert peak_bytes(read, data) < len(data) + COUNT * OF_A_CLIENT_BYTES


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (decode_state_vector, var_uint(MAX_CLIENTS + 1) + bytes(4 * MAX_CLIENTS)),
        (read_update, var_uint(MAX_CLIENTS + 1) + bytes(4 * MAX_CLIENTS)),
        (decode, b"\x03" * (MAX_MESSAGES_PER_FRAME + 1)),
        (decode, framed(counted(MAX_AWARENESS_ENTRIES + 1, lambda number: var_uint(number) + b"\x01\x011"))),
    ],
    ids=["state vector", "update", "messages", "presence"],
)
def test_more_than_the_bound_is_refused(read: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read(data)
    assert caught.value.close_code == 4413


@pytest.mark.parametrize(
    ("read", "before"), [(decode_state_vector, b""), (read_update, b""), (read_update, b"\x01"), (decode, b"\x00\x02")]
)
def test_what_is_announced_and_not_there_takes_nothing(read: Callable[[bytes], object], before: bytes) -> None:
    def refused(data: bytes) -> None:
        with pytest.raises(RemoteProtocolError):
            read(data)

    assert peak_bytes(refused, before + var_uint(2**53 - 1) + b"\x01\x00") < 100_000


def peak_bytes(read: Callable[[bytes], object], data: bytes) -> int:
    tracemalloc.start()
    try:
        read(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
