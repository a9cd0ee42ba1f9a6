"""A file of updates, for a device that is reached by a USB stick or by mail. `docs/protocol.md`, "A file of updates".

file   = "crdtsync" %d1 sha-256 body       ; the digest of body, 32 bytes
body   = origin since vector count *bytes  ; count updates, in an order in which each fits
origin = %d0 / %d1 string string subject   ; nothing, or the relay and room that the sender's library belongs to
subject = %d0 / %d1 string                 ; none, or the account
since, vector = bytes                      ; what the receiver must have, and what the sender had: state vectors
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from crdt_sync.errors import RemoteProtocolError, UnreadableExport
from crdt_sync.protocol.update import decode_state_vector
from crdt_sync.protocol.wire import Reader, write_bytes, write_string, write_var_uint

__all__ = ["MAX_EXPORT_BYTES", "Export", "decode_export", "encode_export"]

MAGIC = b"crdtsync"
VERSION = 1
DIGEST_BYTES = 32
MAX_EXPORT_BYTES = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Export:
    """What one device hands to another. `origin` is the relay, room and account of the sender's library.

    `since` is the state vector from which `updates` go on, `vector` the one that the sender had, both encoded.
    """

    origin: tuple[str, str, str | None] | None
    since: bytes
    vector: bytes
    updates: tuple[bytes, ...]


def encode_export(export: Export) -> bytes:
    """Return the bytes of the file."""
    body = bytearray()
    if export.origin is None:
        body.append(0)
    else:
        relay, room, subject = export.origin
        body.append(1)
        write_string(body, relay)
        write_string(body, room)
        body.append(subject is not None)
        if subject is not None:
            write_string(body, subject)
    write_bytes(body, export.since)
    write_bytes(body, export.vector)
    write_var_uint(body, len(export.updates))
    for update in export.updates:
        write_bytes(body, update)
    return b"".join((MAGIC, bytes([VERSION]), hashlib.sha256(body).digest(), body))


def decode_export(data: bytes) -> Export:
    """Read a file of updates. Raises `UnreadableExport`; the updates themselves are checked when they are applied."""
    head = len(MAGIC) + 1
    if len(data) > MAX_EXPORT_BYTES:
        raise UnreadableExport(f"the file has more than {MAX_EXPORT_BYTES} bytes; export less, with --since")
    if not data.startswith(MAGIC):
        raise UnreadableExport("this is no file of updates; make one with: crdt-sync export-updates FILE")
    if len(data) < head + DIGEST_BYTES:
        raise UnreadableExport("the file of updates ends early; copy it again")
    if data[head - 1] != VERSION:
        raise UnreadableExport("a newer version of crdt-sync wrote this file of updates; install that version")
    body = data[head + DIGEST_BYTES :]
    if hashlib.sha256(body).digest() != data[head : head + DIGEST_BYTES]:
        raise UnreadableExport("the file of updates is damaged or cut off; copy it again, or export it again")
    try:
        return _read(Reader(body))
    except RemoteProtocolError as error:
        raise UnreadableExport(f"the file of updates makes no sense: {error}; export it again") from error


def _read(reader: Reader) -> Export:
    origin = None
    if reader.byte():
        relay, room = reader.string(), reader.string()
        origin = (relay, room, reader.string() if reader.byte() else None)
    since, vector = reader.bytes(), reader.bytes()
    for each in (since, vector):
        decode_state_vector(each)
    updates = tuple(reader.bytes() for _ in range(reader.count(entry_size=3)))
    if reader.remaining:
        raise RemoteProtocolError(f"{reader.remaining} bytes follow the end")
    return Export(origin, since, vector, updates)
