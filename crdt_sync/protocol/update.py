"""Reads the headers of a Yjs update (V1) and says whether it fits a state vector.

No update with a gap may enter a document (`docs/design.md`, "No gap enters a document"). The rule is that of Yjs
(`encoding.js`, `integrateStructs` and `readAndApplyDeleteSet`): a struct can be taken once its own predecessor, its
origin, its right origin and its parent are there; a delete range once all that it deletes is there. Every step is
linear in the update, but for a heap of those that wait.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.wire import Reader, write_var_uint

__all__ = [
    "EMPTY_UPDATE",
    "Id",
    "Struct",
    "Update",
    "decode_state_vector",
    "encode_state_vector",
    "fits",
    "reach",
    "read_delete_ranges",
    "read_struct",
    "read_update",
    "take_structs",
]

EMPTY_UPDATE = b"\x00\x00"
"""The update that adds nothing: no structs and no deletes."""
MAX_CLOCK = 2**32 - 1
"""pycrdt counts clocks in 32 bits."""
MAX_CLIENTS = 2**20
"""How many client ids one update or state vector may name: a device that opens its library every hour for a century."""
MAX_NESTING = 100
"""How deep a JSON-like value may nest; the decoders of peers recurse."""

Id: TypeAlias = tuple[int, int]
"""(client id, clock)"""
Struct: TypeAlias = tuple[int, int, tuple[Id, ...]]
"""(clock, length in clock units, the ids that must be there first). Skips are left out, and so is a struct's own
predecessor, which the clock says; what then follows without a need is one struct with what it follows."""


@dataclass(frozen=True, slots=True)
class Update:
    """The headers of one update: its structs per client, in order, and per client where its last delete ends."""

    structs: Mapping[int, list[Struct]]
    deletes: Mapping[int, int]

    @property
    def is_empty(self) -> bool:
        """True if the update carries neither structs nor deletes."""
        return not self.deletes and not any(self.structs.values())


def decode_state_vector(data: bytes) -> dict[int, int]:
    """Return client id → the next clock expected of it. Raises `RemoteProtocolError`."""
    reader = Reader(data)
    vector: dict[int, int] = {}
    for _ in range(_clients(reader, entry_size=2)):
        client = reader.var_uint()
        vector[client] = _clock(reader)
    _at_end(reader)
    return vector


def encode_state_vector(vector: Mapping[int, int]) -> bytes:
    """Return the bytes of `vector`, the highest client id first as Yjs writes it."""
    out = bytearray()
    write_var_uint(out, len(vector))
    for client in sorted(vector, reverse=True):
        write_var_uint(out, client)
        write_var_uint(out, vector[client])
    return bytes(out)


def read_update(data: bytes) -> Update:
    """Read the headers of `data`. Raises `RemoteProtocolError` if it is not exactly one V1 update."""
    reader = Reader(data)
    structs = _read_all_structs(reader)
    deletes: dict[int, int] = {}
    for _ in range(_clients(reader, entry_size=2)):
        client = reader.var_uint()
        for _ in range(reader.count(entry_size=2)):
            clock = _clock(reader)
            deletes[client] = max(deletes.get(client, 0), clock + _length(reader, clock))
    _at_end(reader)
    return Update(structs, deletes)


def read_delete_ranges(data: bytes) -> dict[int, list[tuple[int, int]]]:
    """Return client id → the clock ranges [start, end) that `data` deletes. Raises `RemoteProtocolError`."""
    reader = Reader(data)
    _read_all_structs(reader)
    ranges: dict[int, list[tuple[int, int]]] = {}
    for _ in range(_clients(reader, entry_size=2)):
        of_client = ranges.setdefault(reader.var_uint(), [])
        for _ in range(reader.count(entry_size=2)):
            clock = _clock(reader)
            of_client.append((clock, clock + _length(reader, clock)))
    _at_end(reader)
    return ranges


def fits(update: Update, state_vector: Mapping[int, int]) -> bool:
    """Say whether a document at `state_vector` can take the whole of `update` at once."""
    return reach(update, state_vector) is not None


def reach(update: Update, state_vector: Mapping[int, int]) -> dict[int, int] | None:
    """Return the clocks that `update` moves in a document at `state_vector`, or None if it does not fit.

    Put them into the vector once the update is applied, and it is the document's vector again.
    """
    reached = _Overlay(state_vector)
    if take_structs(update.structs, reached.get, reached.moved.__setitem__) is not None:
        return None
    if any(end > reached.get(client) for client, end in update.deletes.items()):
        return None
    return reached.moved


def take_structs(
    structs_of: Mapping[int, list[Struct]], reached: Callable[[int], int], move: Callable[[int, int], object]
) -> int | None:
    """Take all structs in an order that fits; return None, or a client whose structs cannot all be taken.

    `reached` returns the clock that a client has reached, and `move` raises it, once for each struct beyond it.
    """
    position = dict.fromkeys(structs_of, 0)
    waiting: dict[int, list[tuple[int, int]]] = {}  # client → heap of (clock it must pass, client that waits)
    ready = list(structs_of)
    while ready:
        client = ready.pop()
        structs = structs_of[client]
        missing: Id | None = None
        for index in range(position[client], len(structs)):
            clock, length, needs = structs[index]
            known = reached(client)
            if clock > known:
                return client  # only this list could have brought its own predecessor
            missing = next((need for need in needs if need[1] >= reached(need[0])), None)
            if missing is not None:
                position[client] = index
                break
            if clock + length > known:
                move(client, clock + length)
        if missing is None:
            position[client] = len(structs)
        else:
            heapq.heappush(waiting.setdefault(missing[0], []), (missing[1], client))
        heap = waiting.get(client)
        while heap and heap[0][0] < reached(client):
            ready.append(heapq.heappop(heap)[1])
    return next((client for client, structs in structs_of.items() if position[client] < len(structs)), None)


class _Overlay:
    """A state vector and what moved beyond it: a room of 10,000 client ids is not copied for each update."""

    __slots__ = ("base", "moved")

    def __init__(self, base: Mapping[int, int]) -> None:
        self.base = base
        self.moved: dict[int, int] = {}

    def get(self, client: int) -> int:
        moved = self.moved.get(client)
        return self.base.get(client, 0) if moved is None else moved


def _read_all_structs(reader: Reader) -> dict[int, list[Struct]]:
    structs: dict[int, list[Struct]] = {}
    for _ in range(_clients(reader, entry_size=3)):
        count = reader.count()
        client = reader.var_uint()
        clock = _clock(reader)
        if client in structs:
            raise RemoteProtocolError(f"client {client} stands twice in an update")
        structs[client] = _read_structs(reader, client, count, clock)
    return structs


def _at_end(reader: Reader) -> None:
    if reader.remaining:
        raise RemoteProtocolError(f"{reader.remaining} bytes follow the end")


def _clients(reader: Reader, entry_size: int) -> int:
    count = reader.count(entry_size)
    if count > MAX_CLIENTS:
        raise RemoteProtocolError(f"{count} client ids; {MAX_CLIENTS} are allowed", close_code=4413)
    return count


def _clock(reader: Reader) -> int:
    clock = reader.var_uint()
    if clock > MAX_CLOCK:
        raise RemoteProtocolError("a clock is larger than 32 bits")
    return clock


def _length(reader: Reader, clock: int) -> int:
    length = reader.var_uint()
    if clock + length > MAX_CLOCK:
        raise RemoteProtocolError("a clock is larger than 32 bits")
    return length


def _id(reader: Reader) -> Id:
    client = reader.var_uint()
    return client, _clock(reader)


def _read_structs(reader: Reader, client: int, count: int, clock: int) -> list[Struct]:
    structs: list[Struct] = []
    for _ in range(count):
        length, needs = read_struct(reader, clock)
        if needs is not None:
            if needs:
                needs = tuple(need for need in needs if need[0] != client or need[1] >= clock)
            if structs and not needs and structs[-1][0] + structs[-1][1] == clock:
                first, known, before = structs[-1]
                structs[-1] = (first, known + length, before)  # millions of small structs take the memory of one
            else:
                structs.append((clock, length, needs))
        clock += length
    return structs


def read_struct(reader: Reader, clock: int) -> tuple[int, tuple[Id, ...] | None]:
    """Read one struct that starts at `clock`: its length and what it needs, None for a Skip (a hole in the update)."""
    info = reader.byte()
    content = info & 0x1F
    if content == 10:
        return _length(reader, clock), None
    if content == 0:  # GC: deleted and forgotten
        needs: tuple[Id, ...] = ()
        length = _length(reader, clock)
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


_FIXED_ANY = {127: 0, 126: 0, 124: 4, 123: 8, 122: 8, 121: 0, 120: 0}


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
