"""What a document has, deletions included, and whether one place has all that another has.

A state vector alone would miss a lost deletion, as deleting moves no clock; and two encodings of one state may differ
in their bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crdt_sync.protocol.deletes import joined_ranges
from crdt_sync.protocol.structs import read_struct
from crdt_sync.protocol.wire import Reader

__all__ = ["State", "state_of"]


@dataclass(frozen=True, slots=True)
class State:
    """The clock that each client has reached, and the ranges (from, to) of each that are deleted, joined and in order.

    Two documents are in the same state if these are equal.
    """

    clocks: dict[int, int] = field(default_factory=dict)
    deleted: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def lacks(self, other: State) -> str | None:
        """Return in words something of `other` that is not here, or None."""
        for client, clock in other.clocks.items():
            if self.clocks.get(client, 0) < clock:
                return f"client {client} is at {self.clocks.get(client, 0)}, not at {clock}"
        for client, ranges in other.deleted.items():
            here = self.deleted.get(client, [])
            for start, end in ranges:
                if not any(low <= start and end <= high for low, high in here):
                    return f"the deletion of {client} {start}..{end}"
        return None


def state_of(update: bytes) -> State:
    """Return what an update (V1) brings; of a whole document's, that is its state. Raises `RemoteProtocolError`."""
    reader = Reader(update)
    clocks: dict[int, int] = {}
    for _ in range(reader.count(entry_size=3)):
        count, client, clock = reader.count(), reader.var_uint(), reader.var_uint()
        for _ in range(count):
            length, _ = read_struct(reader, clock)
            clock += length
        clocks[client] = clock
    deleted: dict[int, list[tuple[int, int]]] = {}
    for _ in range(reader.count(entry_size=2)):
        client = reader.var_uint()
        ranges = []
        for _ in range(reader.count(entry_size=2)):
            start = reader.var_uint()
            ranges.append((start, start + reader.var_uint()))
        deleted[client] = joined_ranges(ranges)
    return State(clocks, deleted)
