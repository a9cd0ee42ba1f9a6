"""Cuts a large update into several that are small enough to send, each of which fits when those before it are in.

A library larger than the message limit still syncs: the pieces go out as updates, the delete set last. Structs are
copied byte for byte, in the order in which the fit check takes them.
"""

from __future__ import annotations

from crdt_sync.errors import LocalProtocolError
from crdt_sync.protocol.structs import Struct, read_struct
from crdt_sync.protocol.update import take_structs
from crdt_sync.protocol.wire import Reader, write_var_uint

__all__ = ["split_update"]


def split_update(data: bytes, max_bytes: int) -> list[bytes]:
    """Return updates of at most `max_bytes` each that together are `data`; one struct alone may be larger.

    `data` must be a diff that fits its receiver. Raises `LocalProtocolError` if its structs wait for one another.
    """
    if len(data) <= max_bytes:
        return [data]
    reader = Reader(data)
    structs: dict[int, list[Struct]] = {}
    slices: dict[int, list[bytes]] = {}
    for _ in range(reader.count(entry_size=3)):
        count, client, clock = reader.count(), reader.var_uint(), reader.var_uint()
        structs[client], slices[client] = [], []
        for _ in range(count):
            start = reader.position
            length, needs = read_struct(reader, clock)
            if needs is None:
                raise LocalProtocolError("an update with holes cannot be cut")
            structs[client].append((clock, length, needs))
            slices[client].append(data[start : reader.position])
            clock += length
    pieces = _Pieces(max_bytes, structs, slices)
    if take_structs(structs, pieces.reached, pieces.move) is not None:
        raise LocalProtocolError("an update whose structs wait for one another cannot be cut")
    return [*pieces.finish(), b"\x00" + data[reader.position :]]


class _Pieces:
    """Packs structs into pieces in the order in which they are taken."""

    def __init__(self, max_bytes: int, structs: dict[int, list[Struct]], slices: dict[int, list[bytes]]) -> None:
        self._max_bytes = max_bytes
        self._slices = slices
        self._next = dict.fromkeys(structs, 0)
        self._clock = {client: of_client[0][0] for client, of_client in structs.items() if of_client}
        self._open: dict[int, tuple[int, list[bytes]]] = {}  # client → (its first clock in the piece, its structs)
        self._open_bytes = 0
        self._done: list[bytes] = []

    def reached(self, client: int) -> int:
        """What is not in the update is in the receiver's document."""
        return self._clock.get(client, 2**53)

    def move(self, client: int, clock: int) -> None:
        """Put the next struct of `client` into the open piece."""
        struct = self._slices[client][self._next[client]]
        if self._open and self._open_bytes + len(struct) + _HEADER_BYTES > self._max_bytes:
            self._close()
        if client not in self._open:
            self._open[client] = (self._clock[client], [])
            self._open_bytes += _HEADER_BYTES
        self._open[client][1].append(struct)
        self._open_bytes += len(struct)
        self._next[client] += 1
        self._clock[client] = clock

    def finish(self) -> list[bytes]:
        """Return the pieces."""
        if self._open:
            self._close()
        return self._done

    def _close(self) -> None:
        out = bytearray()
        write_var_uint(out, len(self._open))
        for client, (clock, structs) in self._open.items():
            write_var_uint(out, len(structs))
            write_var_uint(out, client)
            write_var_uint(out, clock)
            out += b"".join(structs)
        out.append(0)  # no deletes
        self._done.append(bytes(out))
        self._open, self._open_bytes = {}, 0


_HEADER_BYTES = 24
"""The most that a client's count, id and clock take in a piece, and the piece's own counts."""
