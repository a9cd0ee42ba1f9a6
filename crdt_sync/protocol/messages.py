"""The messages of y-protocols, and our barrier (102), fresh token (103) and its answer (104).

One WebSocket binary message carries one protocol message: `varUint type • body`. We send one a frame and accept
several, as the next major of y-websocket does. Source: y-protocols `sync.js`, `awareness.js`, `auth.js`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from crdt_sync.errors import LocalProtocolError, RemoteProtocolError
from crdt_sync.protocol.wire import Reader, write_bytes, write_string, write_var_uint

__all__ = [
    "MAX_AWARENESS_ENTRIES",
    "MAX_AWARENESS_STATE_BYTES",
    "MAX_MESSAGES_PER_FRAME",
    "MAX_MESSAGE_BYTES",
    "Awareness",
    "AwarenessEntry",
    "Barrier",
    "FreshToken",
    "Message",
    "PermissionDenied",
    "QueryAwareness",
    "SyncStep1",
    "SyncStep2",
    "SyncUpdate",
    "TokenHolds",
    "Unknown",
    "decode",
    "encode",
]

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""The default bound of one message, in bytes."""
MAX_AWARENESS_STATE_BYTES = 64 * 1024
"""The bound of one client's presence, in bytes of JSON."""

MAX_MESSAGES_PER_FRAME = 1024
MAX_AWARENESS_ENTRIES = 65_536
"""The bound of the clients that one message speaks of."""

_SYNC, _AWARENESS, _AUTH, _QUERY_AWARENESS, _BARRIER, _FRESH_TOKEN, _TOKEN_HOLDS = 0, 1, 2, 3, 102, 103, 104


@dataclass(frozen=True, slots=True)
class SyncStep1:
    """ "This is what I have": an encoded state vector. It asks for a `SyncStep2`."""

    state_vector: bytes


@dataclass(frozen=True, slots=True)
class SyncStep2:
    """The update that a `SyncStep1` asked for; it carries the whole delete set."""

    update: bytes


@dataclass(frozen=True, slots=True)
class SyncUpdate:
    """One incremental update (V1)."""

    update: bytes


@dataclass(frozen=True, slots=True)
class AwarenessEntry:
    """The presence of one client: `state` is JSON text, and `"null"` says that the client is gone."""

    client_id: int
    clock: int
    state: str


@dataclass(frozen=True, slots=True)
class Awareness:
    """The presence of some clients. An empty one keeps a stock client from closing after 30 s of silence."""

    entries: tuple[AwarenessEntry, ...]


@dataclass(frozen=True, slots=True)
class QueryAwareness:
    """Asks for an `Awareness` with everybody's presence."""


@dataclass(frozen=True, slots=True)
class PermissionDenied:
    """The relay refuses what the client did, and says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Barrier:
    """A client sends it; the relay echoes it when all that it received before on the connection is durable."""

    number: int


@dataclass(frozen=True, slots=True)
class FreshToken:
    """A client hands the relay a new token before the old one expires; an empty one only asks how long that holds."""

    token: str


@dataclass(frozen=True, slots=True)
class TokenHolds:
    """The relay's answer to a fresh token: the connection may go on for so long. None is sent if it has no end."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of a type that we do not know. Its length is unknown too, so it takes the rest of the frame."""

    type: int
    body: bytes


Message: TypeAlias = (
    SyncStep1
    | SyncStep2
    | SyncUpdate
    | Awareness
    | QueryAwareness
    | PermissionDenied
    | Barrier
    | FreshToken
    | TokenHolds
    | Unknown
)


def encode(message: Message) -> bytes:
    """Return the frame that carries `message`. Raises `LocalProtocolError` for what the wire cannot carry."""
    out = bytearray()
    match message:
        case SyncStep1(state_vector=data):
            out += b"\x00\x00"
            write_bytes(out, data)
        case SyncStep2(update=data):
            out += b"\x00\x01"
            write_bytes(out, data)
        case SyncUpdate(update=data):
            out += b"\x00\x02"
            write_bytes(out, data)
        case Awareness(entries=entries):
            out.append(_AWARENESS)
            write_bytes(out, _encode_entries(entries))
        case QueryAwareness():
            out.append(_QUERY_AWARENESS)
        case PermissionDenied(reason=reason):
            out += bytes((_AUTH, 0))
            write_string(out, reason)
        case Barrier(number=number):
            out.append(_BARRIER)
            body = bytearray()
            write_var_uint(body, number)
            write_bytes(out, bytes(body))
        case FreshToken(token=token):
            out.append(_FRESH_TOKEN)
            write_string(out, token)
        case TokenHolds(seconds=seconds):
            out.append(_TOKEN_HOLDS)
            write_var_uint(out, seconds)
        case Unknown(type=type_):
            raise LocalProtocolError(f"a message of the unknown type {type_} cannot be sent")
    return bytes(out)


def decode(frame: bytes, *, max_bytes: int = MAX_MESSAGE_BYTES) -> list[Message]:
    """Return the messages of one frame, in order.

    Raises `RemoteProtocolError` for anything that is not the protocol, with close code 4413 where a bound is passed
    and 4400 otherwise. A frame is never half accepted.
    """
    if len(frame) > max_bytes:
        raise RemoteProtocolError(f"a message of {len(frame)} bytes; {max_bytes} are allowed", close_code=4413)
    reader = Reader(frame)
    messages = [_decode_one(reader)]
    while reader.remaining:
        if len(messages) == MAX_MESSAGES_PER_FRAME:
            raise RemoteProtocolError(f"more than {MAX_MESSAGES_PER_FRAME} messages in a frame", close_code=4413)
        messages.append(_decode_one(reader))
    return messages


def _decode_one(reader: Reader) -> Message:
    type_ = reader.var_uint()
    if type_ == _SYNC:
        step = reader.var_uint()
        if step > 2:
            raise RemoteProtocolError(f"sync messages are 0, 1 and 2; this is {step}")
        return (SyncStep1, SyncStep2, SyncUpdate)[step](reader.bytes())
    if type_ == _AWARENESS:
        return Awareness(_decode_entries(reader.bytes()))
    if type_ == _QUERY_AWARENESS:
        return QueryAwareness()
    if type_ == _AUTH:
        if reader.var_uint() != 0:
            raise RemoteProtocolError("the only auth message is 0, permission denied")
        return PermissionDenied(reader.string())
    if type_ == _BARRIER:
        body = Reader(reader.bytes())
        number = body.var_uint()
        if body.remaining:
            raise RemoteProtocolError("a barrier carries one integer")
        return Barrier(number)
    if type_ == _FRESH_TOKEN:
        return FreshToken(reader.string())
    if type_ == _TOKEN_HOLDS:
        return TokenHolds(reader.var_uint())
    rest = reader.data[reader.position :]
    reader.position = reader.end
    return Unknown(type_, rest)


def _encode_entries(entries: tuple[AwarenessEntry, ...]) -> bytes:
    out = bytearray()
    write_var_uint(out, len(entries))
    for entry in entries:
        write_var_uint(out, entry.client_id)
        write_var_uint(out, entry.clock)
        write_string(out, entry.state)
    return bytes(out)


def _decode_entries(body: bytes) -> tuple[AwarenessEntry, ...]:
    reader = Reader(body)
    entries = []
    count = reader.count(entry_size=3)
    if count > MAX_AWARENESS_ENTRIES:
        raise RemoteProtocolError(f"the presence of {count} clients in a message", close_code=4413)
    for _ in range(count):
        entry = AwarenessEntry(reader.var_uint(), reader.var_uint(), reader.string())
        _check_json(entry.state)
        entries.append(entry)
    if reader.remaining:
        raise RemoteProtocolError("bytes follow the last awareness entry")
    return tuple(entries)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _check_json(text: str) -> None:
    """Every stock client parses what we forward and throws on bad JSON, so none may pass."""
    if len(text.encode()) > MAX_AWARENESS_STATE_BYTES:
        raise RemoteProtocolError(f"a presence above {MAX_AWARENESS_STATE_BYTES} bytes", close_code=4413)
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise RemoteProtocolError("an awareness state is not JSON") from None
