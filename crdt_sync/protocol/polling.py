"""HTTP polling: two numbered streams of bytes, carried by requests that may be slow, repeated, reordered or cut.

Each direction is one stream: frames, each after its length. A poll carries a piece of the client's stream, the number
of the piece's first byte, and how many bytes of the relay's stream the client has; the answer carries the same the
other way round. What an end has already it drops, what leaves a hole it does not take, and what was not acknowledged is
sent again. So every frame arrives once and in order, or the session ends.

One state machine serves both ends: hand `take` what the other end says, and send what `piece` returns.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum

from crdt_sync.errors import LocalProtocolError, RemoteProtocolError
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import MAX_MESSAGE_BYTES
from crdt_sync.protocol.wire import Reader, write_string, write_var_uint

__all__ = [
    "MAX_PIECE_BYTES",
    "MAX_POLL_BYTES",
    "SESSION_BYTES",
    "Answer",
    "Ending",
    "Piece",
    "Poll",
    "PollKind",
    "PollStream",
    "decode_answer",
    "decode_poll",
    "encode_answer",
    "encode_poll",
]

SESSION_BYTES = 16
MAX_PIECE_BYTES = 1024 * 1024
"""The most bytes of a stream that one poll or answer carries."""
MAX_POLL_BYTES = MAX_PIECE_BYTES + 64
"""The most bytes of a poll's body."""
_VERSION = 1


class PollKind(IntEnum):
    """What a poll is for."""

    OPEN = 0
    """Starts a session. It carries nothing, so one that arrives twice or late makes an empty session at most."""
    POLL = 1
    GOODBYE = 2
    """Ends the session once what it carries has been taken."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a stream: `first` is the number of the first. `received` acknowledges the other direction."""

    received: int
    first: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Poll:
    """One request. The relay may hold its answer for `wait_ms`, and put at most `most` bytes of its stream into it."""

    kind: PollKind
    session: bytes
    wait_ms: int
    most: int
    piece: Piece


@dataclass(frozen=True, slots=True)
class Ending:
    """Why the relay has ended the session: a close code, as of a WebSocket, and a reason."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a poll. `ending` follows the last byte of the relay's stream."""

    piece: Piece
    ending: Ending | None = None


def encode_poll(poll: Poll) -> bytes:
    """Return the body of a request. Raises `LocalProtocolError` for what a poll cannot carry."""
    if len(poll.session) != SESSION_BYTES or len(poll.piece.data) > MAX_PIECE_BYTES:
        raise LocalProtocolError(f"a session has {SESSION_BYTES} bytes, and a piece {MAX_PIECE_BYTES} at most")
    out = bytearray((_VERSION, poll.kind))
    out += poll.session
    for number in (poll.wait_ms, poll.most, poll.piece.received, poll.piece.first):
        write_var_uint(out, number)
    out += poll.piece.data
    return bytes(out)


def decode_poll(body: bytes) -> Poll:
    """Return the poll in the body of a request. Raises `RemoteProtocolError`."""
    reader = _reader(body)
    kind = reader.byte()
    if kind > PollKind.GOODBYE:
        raise RemoteProtocolError(f"a poll is of kind 0, 1 or 2; this is {kind}")
    start = reader.position
    reader.skip(SESSION_BYTES)
    session = body[start : reader.position]
    wait_ms, most = reader.var_uint(), reader.var_uint()
    poll = Poll(PollKind(kind), session, wait_ms, most, _piece(reader))
    if poll.kind is PollKind.OPEN and poll.piece != Piece(0, 0, b""):
        raise RemoteProtocolError("a poll that opens a session carries nothing, and its numbers are 0")
    return poll


def encode_answer(answer: Answer) -> bytes:
    """Return the body of a response."""
    out = bytearray((_VERSION, answer.ending is not None))
    if answer.ending is not None:
        write_var_uint(out, answer.ending.code)
        write_string(out, answer.ending.reason)
    write_var_uint(out, answer.piece.received)
    write_var_uint(out, answer.piece.first)
    out += answer.piece.data
    return bytes(out)


def decode_answer(body: bytes) -> Answer:
    """Return the answer in the body of a response. Raises `RemoteProtocolError`."""
    reader = _reader(body)
    ends = reader.byte()
    if ends > 1:
        raise RemoteProtocolError(f"an answer ends the session, 1, or does not, 0; this is {ends}")
    ending = Ending(reader.var_uint(), reader.string()) if ends else None
    return Answer(_piece(reader), ending)


def _reader(body: bytes) -> Reader:
    reader = Reader(body)
    version = reader.byte()
    if version != _VERSION:
        raise RemoteProtocolError(f"version {version} of polling is not known here; this is version {_VERSION}")
    return reader


def _piece(reader: Reader) -> Piece:
    received, first = reader.var_uint(), reader.var_uint()
    if reader.remaining > MAX_PIECE_BYTES:
        raise RemoteProtocolError(f"a piece above {MAX_PIECE_BYTES} bytes", close_code=CloseCode.TOO_BIG)
    return Piece(received, first, reader.data[reader.position :])


class PollStream:
    """One end of a session: the stream that it sends, and what it has of the other end's."""

    __slots__ = (
        "_end",
        "_kept",
        "_max_frame_bytes",
        "_partial",
        "_start",
        "_whole_at",
        "acknowledged",
        "received",
    )

    def __init__(self, *, max_frame_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._kept: deque[bytes] = deque()  # lengths and frames in turn; the first may be acknowledged in part
        self._start = 0  # the number of the first byte that is kept
        self._end = 0
        self._partial = bytearray()  # what has come of a frame that is not whole yet
        self._whole_at = 0  # and how long it must be before that can change
        self.acknowledged = 0
        """How many bytes the other end has said that it has."""
        self.received = 0
        """How many bytes of the other end's stream are here."""

    @property
    def unacknowledged(self) -> int:
        """How many bytes wait for the other end's word."""
        return self._end - self.acknowledged

    @property
    def kept_frames(self) -> int:
        """How many frames are kept to be sent, or sent again."""
        return (len(self._kept) + 1) // 2

    @property
    def partial(self) -> int:
        """How many bytes have come of a frame that is not whole yet."""
        return len(self._partial)

    def send(self, frame: bytes) -> None:
        """Put a frame at the end of the stream."""
        length = bytearray()
        write_var_uint(length, len(frame))
        self._kept += (bytes(length), frame)  # apart, so that a large frame is not copied for each who gets it
        self._end += len(length) + len(frame)

    def take(self, piece: Piece) -> list[bytes]:
        """Take what the other end acknowledges and sends; return the frames that are whole now.

        A piece with a hole before it gives nothing, and one that is known gives nothing again. Raises
        `RemoteProtocolError` for an acknowledgement of what was never sent, an empty frame, and, with close code 4413,
        a frame above the bound; the session cannot go on then.
        """
        if piece.received > self._end:
            raise RemoteProtocolError(f"{piece.received} bytes are acknowledged and {self._end} were sent")
        self._acknowledge(piece.received)
        known = self.received - piece.first
        if known < 0 or known >= len(piece.data):
            return []
        self._partial += memoryview(piece.data)[known:]
        self.received = piece.first + len(piece.data)
        return self._whole_frames() if len(self._partial) >= self._whole_at else []

    def is_strange(self, piece: Piece) -> bool:
        """Say whether `piece` is of another session than this end's, which has taken nothing so far.

        A poll that opens a session may be repeated late, to a relay that has been restarted, and opens an empty one.
        """
        return not self.received and (piece.first > 0 or piece.received > self._end)

    def piece(self, most: int) -> Piece:
        """Return what to send now: the bytes from the first that is not acknowledged, `most` at most."""
        most = min(most, MAX_PIECE_BYTES)
        skip = self.acknowledged - self._start
        parts: list[memoryview] = []
        for kept in self._kept:
            if most <= 0:
                break
            part = memoryview(kept)[skip : skip + most]
            parts.append(part)
            most -= len(part)
            skip = 0
        return Piece(self.received, self.acknowledged, b"".join(parts))

    def ends_with(self, piece: Piece) -> bool:
        """Say whether `piece`, of this end's stream, reaches to its end."""
        return piece.first + len(piece.data) == self._end

    def discard(self) -> None:
        """Drop what is kept, for a session that is over."""
        self._kept.clear()
        self._start = self.acknowledged = self._end
        self._partial = bytearray()

    def _acknowledge(self, received: int) -> None:
        while self._kept and self._start + len(self._kept[0]) <= received:
            self._start += len(self._kept.popleft())
        self.acknowledged = max(self.acknowledged, received)  # an old poll acknowledges less

    def _whole_frames(self) -> list[bytes]:
        frames: list[bytes] = []
        reader = Reader(bytes(self._partial))
        taken = self._whole_at = 0
        while (length := _length(reader)) is not None:
            if not 0 < length <= self._max_frame_bytes:
                code = CloseCode.TOO_BIG if length else CloseCode.NOT_THE_PROTOCOL
                raise RemoteProtocolError(
                    f"a frame of {length} bytes; 1 to {self._max_frame_bytes} are allowed", close_code=code
                )
            if length > reader.remaining:
                self._whole_at = reader.position - taken + length
                break
            start = reader.position
            reader.skip(length)
            taken = reader.position
            frames.append(reader.data[start:taken])
        del self._partial[:taken]
        return frames


def _length(reader: Reader) -> int | None:
    """Read the length of a frame, or None if it has not come whole."""
    rest = reader.data[reader.position : reader.position + 8]
    if not any(octet < 0x80 for octet in rest) and len(rest) < 8:
        return None
    return reader.var_uint()
