from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.errors import LocalProtocolError, RemoteProtocolError
from crdt_sync.protocol.wire import MAX_SAFE_INTEGER, Reader, write_string, write_var_uint


@given(st.integers(0, MAX_SAFE_INTEGER))
def test_an_integer_comes_back(value: int) -> None:
    out = bytearray()
    write_var_uint(out, value)
    reader = Reader(bytes(out))
    assert reader.var_uint() == value
    assert reader.remaining == 0


@given(st.text())
def test_a_string_comes_back_and_is_counted_in_bytes(text: str) -> None:
    out = bytearray()
    write_string(out, text)
    assert Reader(bytes(out)).var_uint() == len(text.encode())
    assert Reader(bytes(out)).string() == text


@pytest.mark.parametrize("value", [-1, MAX_SAFE_INTEGER + 1])
def test_what_does_not_fit_53_bits_is_not_written(value: int) -> None:
    with pytest.raises(LocalProtocolError, match="53 bits"):
        write_var_uint(bytearray(), value)


def test_a_lone_surrogate_is_not_written() -> None:
    with pytest.raises(LocalProtocolError, match="surrogate"):
        write_string(bytearray(), "\ud800")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ends"),
        (b"\x80", "ends"),
        (b"\xff" * 8, "53 bits"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f", "53 bits"),
        (b"\x80" * 9 + b"\x00", "53 bits"),
    ],
)
def test_a_bad_integer_is_the_peers_error(data: bytes, why: str) -> None:
    with pytest.raises(RemoteProtocolError, match=why):
        Reader(data).var_uint()


def test_a_length_bomb_is_refused_before_anything_is_allocated() -> None:
    bomb = b"\xff\xff\xff\xff\xff\xff\xff\x0f"
    with pytest.raises(RemoteProtocolError, match="announced"):
        Reader(bomb).bytes()
    with pytest.raises(RemoteProtocolError, match="announced"):
        Reader(bomb).count()


def test_a_string_must_be_utf8() -> None:
    with pytest.raises(RemoteProtocolError, match="UTF-8"):
        Reader(b"\x01\xff").string()
