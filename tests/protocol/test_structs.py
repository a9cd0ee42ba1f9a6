"""Plain structs of an update are read in one piece: what comes of it must be what the long way reads."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Map, Text

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.structs import MAX_CLOCK, MAX_NESTING, Struct, end_of_value, read_struct, read_structs
from crdt_sync.protocol.wire import Reader, write_string, write_var_uint

CLIENT = 300
texts = st.text(max_size=200) | st.text(alphabet="añ𝔘", min_size=120, max_size=140)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


def plainly(reader: Reader, client: int, count: int, clock: int) -> list[Struct]:
    """What `read_structs` is meant to be, with `read_struct` alone."""
    structs: list[Struct] = []
    for _ in range(count):
        length, needs = read_struct(reader, clock)
        if needs is not None:
            needs = tuple(need for need in needs if need[0] != client or need[1] >= clock)
            if structs and not needs and structs[-1][0] + structs[-1][1] == clock:
                start, known, before = structs[-1]
                structs[-1] = (start, known + length, before)
            else:
                structs.append((clock, length, needs))
        clock += length
    return structs


def agree(data: bytes, clock: int = 0) -> bool:
    """Read `data` both ways, from the structs of its first client on; return whether it could be read."""
    told = []
    for read in (read_structs, plainly):
        reader = Reader(data)
        try:
            for _ in range(reader.count()):
                count, client, first = reader.count(), reader.var_uint(), reader.var_uint()
                told.append((read(reader, client, count, first + clock), reader.position))
        except RemoteProtocolError as error:
            told.append(str(error))
    half = len(told) // 2
    assert told[:half] == told[half:]
    return not any(isinstance(each, str) for each in told)


def edited(keys: dict[str, Any], typed: list[str]) -> bytes:
    """Return an update with new and changed keys of maps, nested types and typed text."""
    doc: Doc[Any] = Doc(client_id=CLIENT)
    fields, text = doc.get("fields", type=Map), doc.get("text", type=Text)
    for key, value in keys.items():
        fields[key] = value
    for key in list(keys)[::2]:
        fields[key] = "changed"
    for piece in typed:
        text.insert(0, piece)
    return doc.get_update()


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(texts, values, max_size=5), st.lists(texts.filter(bool), max_size=3))
def test_what_editing_makes_is_read_as_the_long_way_reads_it(keys: dict[str, Any], typed: list[str]) -> None:
    assert agree(edited(keys, typed))


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_what_is_broken_is_refused_with_the_same_words(data: st.DataObject) -> None:
    update = bytearray(
        edited({"k": {"a": [1, 2.5, None, True, "ü", -70], "b": {"c": "x" * 130}}, "l": 2**40, "é": False}, ["Grüße 𝔘"])
    )
    for _ in range(data.draw(st.integers(1, 4))):
        update[data.draw(st.integers(0, len(update) - 1))] = data.draw(st.integers(0, 255))
    agree(bytes(update[: data.draw(st.integers(len(update) // 2, len(update)))]))


def struct(value: bytes, *, root: str = "fields", key: str = "k", count: int = 1) -> bytes:
    """Return a struct that sets a new key of a root."""
    out = bytearray(b"\x28\x01")
    write_string(out, root)
    write_string(out, key)
    write_var_uint(out, count)
    return bytes(out + value)


@given(st.binary(max_size=40))
@example(b"\x77\xff\x01" + b"x" * 255)
@example(b"\x77\x80\x80\x01" + b"x" * 2**14)
@example(b"\x77\x02\xc3")
@example(b"\x77\x02\xc3\x28")
@example(b"\x7d" + b"\xff" * 7 + b"\x0f")
@example(b"\x7d" + b"\xff" * 8 + b"\x0f")
@example(b"\x76\x01\x01a" * MAX_NESTING + b"\x7e")
@example(b"\x76\x01\x01a" * (MAX_NESTING + 1) + b"\x7e")
@example(b"\x76\x00")
@example(b"\x76\x02\x01a\x76\x00\x01b\x7e")
@example(b"\x7b\x00\x00")
def test_any_value_ends_where_the_long_way_ends_it(value: bytes) -> None:
    """With what follows it and without, and at the end of the clocks."""
    for data in (struct(value), struct(value) + b"\x00" * 300, struct(value, count=2), struct(value, root="r" * 200)):
        one = b"\x01\x01\x07\x00" + data
        agree(one)
        agree(one, clock=MAX_CLOCK)
        agree(one, clock=MAX_CLOCK - 1)


def test_the_short_way_is_taken() -> None:
    for value in (b"\x77\x03abc", b"\x7d\x01", b"\x7d\xff\x01", b"\x76\x01\x01a\x7b" + b"\x00" * 8, b"\x78"):
        data = struct(value)
        assert end_of_value(data, 0) == len(data)
        assert not any(end_of_value(data[:short], 0) for short in range(len(data)))
