"""News as bytes, for the backplanes that carry bytes.

A package is the byte 1, then its parts, each after the other; an empty one has none. Of what is committed: the room as
a string, the position, and 0 for no update or the length of the update plus 1 and its bytes. Of what is said: the node
and the words. Lengths and numbers are lib0's (`crdt_sync.protocol.wire`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.wire import Reader, write_bytes, write_string, write_var_uint
from crdt_sync_server.backplane import Committed, Missed, News, Said

__all__ = ["pack_committed", "pack_said", "unpack_committed", "unpack_said"]

FORMAT = 1
Part = TypeVar("Part", Committed, Said)


def pack_committed(committed: Sequence[Committed], *, up_to_bytes: int) -> list[bytes]:
    """Return packages of these, in their order; one is longer than `up_to_bytes` only if it has a single part."""
    return list(_packages(map(_committed, committed), up_to_bytes))


def pack_said(said: Sequence[Said], *, up_to_bytes: int) -> list[bytes]:
    """Return packages of these, in their order; one is longer than `up_to_bytes` only if it has a single part."""
    return list(_packages(map(_said, said), up_to_bytes))


def unpack_committed(package: bytes) -> list[News]:
    """Return what is in a package; of one that cannot be read, as of a later version, that something was missed."""
    return _parts(package, _read_committed)


def unpack_said(package: bytes) -> list[News]:
    """Return what is in a package; of one that cannot be read, as of a later version, that something was missed."""
    return _parts(package, _read_said)


def _packages(parts: Iterable[bytes], up_to_bytes: int) -> Iterator[bytes]:
    package = bytearray((FORMAT,))
    for part in parts:
        if len(package) > 1 and len(package) + len(part) > up_to_bytes:
            yield bytes(package)
            package = bytearray((FORMAT,))
        package += part
    if len(package) > 1:
        yield bytes(package)


def _parts(package: bytes, read: Callable[[Reader], News]) -> list[News]:
    reader = Reader(package)
    parts: list[News] = []
    try:
        if package and reader.byte() != FORMAT:
            return [Missed()]
        while reader.remaining:
            parts.append(read(reader))
    except RemoteProtocolError:
        return [Missed()]
    return parts


def _committed(committed: Committed) -> bytes:
    part = bytearray()
    write_string(part, committed.room)
    write_var_uint(part, committed.position)
    if committed.update is None:
        write_var_uint(part, 0)
    else:
        write_var_uint(part, len(committed.update) + 1)
        part += committed.update
    return bytes(part)


def _read_committed(reader: Reader) -> Committed:
    room, position = reader.string(), reader.var_uint()
    length = reader.var_uint() - 1
    if length < 0:
        return Committed(room, position)
    start = reader.position
    reader.skip(length)
    return Committed(room, position, reader.data[start : reader.position])


def _said(said: Said) -> bytes:
    part = bytearray()
    write_string(part, said.node)
    write_bytes(part, said.words)
    return bytes(part)


def _read_said(reader: Reader) -> Said:
    return Said(reader.string(), reader.bytes())
