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

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.structs import Id, Struct, read_clock, read_length, read_structs
from crdt_sync.protocol.wire import Reader, write_var_uint

__all__ = [
    "EMPTY_UPDATE",
    "Update",
    "decode_state_vector",
    "encode_state_vector",
    "fits",
    "reach",
    "read_delete_ranges",
    "read_update",
    "take_structs",
]

EMPTY_UPDATE = b"\x00\x00"
"""The update that adds nothing: no structs and no deletes."""
MAX_CLIENTS = 2**20
"""How many client ids one update or state vector may name: a device that opens its library every hour for a century."""


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
        vector[client] = read_clock(reader)
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
            clock = read_clock(reader)
            deletes[client] = max(deletes.get(client, 0), clock + read_length(reader, clock))
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
            clock = read_clock(reader)
            of_client.append((clock, clock + read_length(reader, clock)))
    _at_end(reader)
    return ranges


def fits(update: Update, state_vector: Mapping[int, int]) -> bool:
    """Say whether a document at `state_vector` can take the whole of `update` at once."""
    return reach(update, state_vector) is not None


def reach(update: Update, state_vector: Mapping[int, int]) -> dict[int, int] | None:
    """Return the clocks that `update` moves in a document at `state_vector`, or None if it does not fit.

    Put them into the vector once the update is applied, and it is the document's vector again.
    """
    if len(update.structs) == 1 and not update.deletes:  # as most edits are
        ((client, structs),) = update.structs.items()
        if len(structs) == 1 and not structs[0][2]:
            clock, length, _ = structs[0]
            known = state_vector.get(client, 0)
            return None if clock > known else {client: clock + length} if clock + length > known else {}
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
        clock = read_clock(reader)
        if client in structs:
            raise RemoteProtocolError(f"client {client} stands twice in an update")
        structs[client] = read_structs(reader, client, count, clock)
    return structs


def _at_end(reader: Reader) -> None:
    if reader.remaining:
        raise RemoteProtocolError(f"{reader.remaining} bytes follow the end")


def _clients(reader: Reader, entry_size: int) -> int:
    count = reader.count(entry_size)
    if count > MAX_CLIENTS:
        raise RemoteProtocolError(f"{count} client ids; {MAX_CLIENTS} are allowed", close_code=4413)
    return count
