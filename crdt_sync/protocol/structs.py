"""Reads the headers of the structs of a Yjs update (V1), the kind that edits are made of without a call each.

Source: Yjs `UpdateDecoder.js` and the `Content*.js` files; lib0 `decoding.js` (`readAny`).
"""

from __future__ import annotations

from typing import TypeAlias

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.wire import Reader

__all__ = ["MAX_CLOCK", "MAX_NESTING", "Id", "Struct", "read_clock", "read_length", "read_struct", "read_structs"]

MAX_CLOCK = 2**32 - 1
"""pycrdt counts clocks in 32 bits."""
MAX_NESTING = 100
"""How deep a JSON-like value may nest; the decoders of peers recurse."""

Id: TypeAlias = tuple[int, int]
"""(client id, clock)"""
Struct: TypeAlias = tuple[int, int, tuple[Id, ...]]
"""(clock, length in clock units, the ids that must be there first). Skips are left out, and so is a struct's own
predecessor, which the clock says; what then follows without a need is one struct with what it follows."""

NEW_KEY_OF_ANY = 0x28
"""The first byte of a struct that holds JSON-like values, has no neighbours, and says its parent and its key."""
_FIXED_ANY = {127: 0, 126: 0, 124: 4, 123: 8, 122: 8, 121: 0, 120: 0}
"""The kinds of values with a fixed number of bytes: undefined, null, float32, float64, bigint, false, true."""


def read_clock(reader: Reader) -> int:
    """Read a clock. Raises `RemoteProtocolError`."""
    clock = reader.var_uint()
    if clock > MAX_CLOCK:
        raise RemoteProtocolError("a clock is larger than 32 bits")
    return clock


def read_length(reader: Reader, clock: int) -> int:
    """Read a length in clock units of what starts at `clock`. Raises `RemoteProtocolError`."""
    length = reader.var_uint()
    if clock + length > MAX_CLOCK:
        raise RemoteProtocolError("a clock is larger than 32 bits")
    return length


def read_structs(reader: Reader, client: int, count: int, clock: int) -> list[Struct]:
    """Read `count` structs of `client` that start at `clock`. Raises `RemoteProtocolError`."""
    structs: list[Struct] = []
    data, at = reader.data, reader.position
    start, length, before = clock, 0, None  # the struct that is not in the list yet: what follows may make it longer
    for _ in range(count):
        if clock < MAX_CLOCK and (end := end_of_value(data, at)):
            at, new = end, 1
            needs: tuple[Id, ...] | None = ()
        else:
            reader.position = at
            new, needs = read_struct(reader, clock)
            at = reader.position
            if needs:
                needs = tuple(need for need in needs if need[0] != client or need[1] >= clock)
        if needs is not None:
            if before is not None and not needs and start + length == clock:
                length += new  # millions of small structs take the memory of one
            else:
                if before is not None:
                    structs.append((start, length, before))
                start, length, before = clock, new, needs
        clock += new
    if before is not None:
        structs.append((start, length, before))
    reader.position = at
    return structs


def end_of_value(data: bytes, at: int) -> int:
    """Return where the struct at `at` ends if it sets a new key of a map that is a root, as most edits do; else 0.

    This is `read_struct` for the hottest kind, in one piece and without a call. What is broken, long or rare is left to
    that: it says what is wrong.
    """
    try:
        if data[at] != NEW_KEY_OF_ANY or data[at + 1] != 1:
            return 0
        size = data[at + 2]  # of the root's name; a length of 128 and more has a second byte
        at += 3 + size
        data[at - size : at].decode()
        key_size = data[at]
        at += 1 + key_size
        data[at - key_size : at].decode()
        if size >= 0x80 or key_size >= 0x80 or data[at] != 1:
            return 0
        at += 1
        left, is_keyed = 1, False  # as in `_skip_any`
        around: list[int] = []
        while True:
            left -= 1
            if is_keyed:
                size = data[at]
                if size >= 0x80:
                    return 0
                at += 1 + size
                data[at - size : at].decode()
            kind = data[at]
            at += 1
            if kind == 119:
                size = data[at]
                at += 1
                if size >= 0x80:
                    if data[at] >= 0x80:
                        return 0
                    size += (data[at] - 1) << 7
                    at += 1
                at += size
                data[at - size : at].decode()
            elif kind in _FIXED_ANY:
                at += _FIXED_ANY[kind]
            elif kind == 118 and len(around) < MAX_NESTING:
                around.append(left)
                left, is_keyed = data[at], True
                if left >= 0x80:
                    return 0
                at += 1
            elif kind == 125:
                last = at + 7
                while data[at] >= 0x80:
                    at += 1
                if at > last:
                    return 0
                at += 1
            else:
                return 0
            while not left:
                if not around:
                    return at if at <= len(data) else 0
                left = around.pop()
    except (IndexError, UnicodeDecodeError):
        return 0


def read_struct(reader: Reader, clock: int) -> tuple[int, tuple[Id, ...] | None]:
    """Read one struct that starts at `clock`: its length and what it needs, None for a Skip (a hole in the update)."""
    info = reader.byte()
    content = info & 0x1F
    if content == 10:
        return read_length(reader, clock), None
    if content == 0:  # GC: deleted and forgotten
        needs: tuple[Id, ...] = ()
        length = read_length(reader, clock)
    else:
        needs = _read_needs(reader, info)
        length = _read_content(reader, content)
    if not length or clock + length > MAX_CLOCK:
        raise RemoteProtocolError("a struct has a length out of range")
    return length, needs


def _read_needs(reader: Reader, info: int) -> tuple[Id, ...]:
    needs: tuple[Id, ...] = ()
    if info & 0x80:
        needs = (_id(reader),)
    if info & 0x40:
        needs = (*needs, _id(reader))
    if not info & 0xC0:
        if reader.var_uint() == 1:
            reader.string()  # the name of a root
        else:
            needs = (_id(reader),)
        if info & 0x20:
            reader.string()  # the key in the parent map
    return needs


def _id(reader: Reader) -> Id:
    client = reader.var_uint()
    return client, read_clock(reader)


def _read_content(reader: Reader, content: int) -> int:
    """Pass over the content and return its length in clock units."""
    if content == 1:  # Deleted
        return reader.var_uint()
    if content == 2:  # JSON, of old documents
        count = reader.count()
        for _ in range(count):
            reader.string()
        return count
    if content == 4:  # String: counted in UTF-16 units
        text = reader.string()
        return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
    if content == 8:  # Any
        count = reader.count()
        for _ in range(count):
            _skip_any(reader)
        return count
    if content == 3:  # Binary
        reader.bytes()
    elif content == 5:  # Embed
        reader.string()
    elif content == 6:  # Format
        reader.string()
        reader.string()
    elif content == 7:  # Type
        type_ref = reader.var_uint()
        if type_ref > 6:
            raise RemoteProtocolError(f"the unknown shared type {type_ref}")
        if type_ref in (3, 5):  # XmlElement and XmlHook carry their name
            reader.string()
    elif content == 9:  # Doc
        reader.string()
        _skip_any(reader)
    else:
        raise RemoteProtocolError(f"the unknown content {content}")
    return 1


def _skip_any(reader: Reader) -> None:
    """Pass over one value of lib0's Any encoding, without recursion."""
    left, keyed = 1, False  # values still to come at this level, and has each a key before it?
    stack: list[tuple[int, bool]] = []  # the levels around it
    while left or stack:
        if not left:
            left, keyed = stack.pop()
            continue
        left -= 1
        if keyed:
            reader.string()
        kind = reader.byte()
        if kind == 119:
            reader.string()
        elif kind in (117, 118):
            if len(stack) >= MAX_NESTING:
                raise RemoteProtocolError(f"a value nests deeper than {MAX_NESTING}")
            stack.append((left, keyed))
            left, keyed = reader.count(), kind == 118
        elif kind in _FIXED_ANY:
            reader.skip(_FIXED_ANY[kind])
        elif kind == 125:
            _skip_var_int(reader)
        elif kind == 116:
            reader.bytes()
        else:
            raise RemoteProtocolError(f"the unknown value type {kind}")


def _skip_var_int(reader: Reader) -> None:
    for _ in range(8):  # 6 bits and 7 times 7: the 53 bits of a JavaScript integer and more
        if reader.byte() < 0x80:
            return
    raise RemoteProtocolError("an integer is larger than 53 bits")
