"""WebSocket frames, from a relay's side (RFC 6455, section 5). No socket, no clock.

A server's WebSocket library serves every program; a relay hears one kind of frame a thousand times a second: a small
message in one masked frame that came whole. That one is cut out of what arrived in a few steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = [
    "MAX_CONTROL_BYTES",
    "Broken",
    "CloseFrame",
    "FrameReader",
    "Heard",
    "Ping",
    "Text",
    "TooBig",
    "close_frame",
    "close_payload",
    "close_reason",
    "header",
    "pong",
]


CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
"""What a frame is (section 5.2)."""
FIN, RESERVED, OPCODE = 0x80, 0x70, 0x0F
MASKED, LENGTH = 0x80, 0x7F
MAX_CONTROL_BYTES = 125
RESERVED_CODES = (1004, 1005, 1006, 1015)
"""They stand for what no frame says (section 7.4.1)."""
UNMASKED_AT_ONCE_BYTES = 64 * 1024
"""Unmasking takes four times its bytes for a moment."""


@dataclass(frozen=True, slots=True)
class Text:
    """A whole text message came."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Answer with `pong(payload)`."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class CloseFrame:
    """The peer closes; answer with `close_frame(answer)`: its code, without its reason (section 5.5.1)."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class TooBig:
    """A message is longer than it may be. Nothing more is read."""


@dataclass(frozen=True, slots=True)
class Broken:
    """What came is no frame. Nothing more is read."""

    reason: str


Heard: TypeAlias = bytes | Text | Ping | CloseFrame | TooBig | Broken
"""A binary message, or what else came."""


class FrameReader:
    """Cuts what arrives, in pieces of any size, into what was said."""

    __slots__ = ("_buffer", "_ended", "_is_text", "_parts", "_parts_bytes", "max_message_bytes")

    def __init__(self, max_message_bytes: int) -> None:
        self.max_message_bytes = max_message_bytes
        self._buffer: bytearray | None = None  # a frame that has not come whole
        self._parts: list[bytes] | None = None  # a message of several frames that has not come whole
        self._parts_bytes = 0
        self._is_text = False
        self._ended = False

    @property
    def held_bytes(self) -> int:
        """What waits for the rest of its message."""
        return self._parts_bytes + (0 if self._buffer is None else len(self._buffer))

    def end(self) -> None:
        """Read nothing more, and let go of what waits."""
        self._ended = True
        self._buffer = self._parts = None
        self._parts_bytes = 0

    def feed(self, data: bytes) -> list[Heard]:
        """Return what `data` completes, in order. After `TooBig`, `Broken` and `CloseFrame` nothing more comes."""
        if self._ended:
            return []
        came: bytes | bytearray = data
        if self._buffer is not None:
            self._buffer += data
            came = self._buffer
        heard: list[Heard] = []
        start = 0
        while not self._ended:
            after = self._frame(came, start, heard)
            if after is None:
                break
            start = after
        if self._ended:
            self.end()
        elif start == len(came):
            self._buffer = None
        elif self._buffer is None:
            self._buffer = bytearray(came[start:])
        else:
            del self._buffer[:start]
        return heard

    def _frame(self, came: bytes | bytearray, start: int, heard: list[Heard]) -> int | None:
        """Take the frame that begins at `start`; return where it ends, or None if it has not come whole."""
        have = len(came) - start
        if have < 2:
            return None
        first, second = came[start], came[start + 1]
        length, head = second & LENGTH, start + 2
        if length > MAX_CONTROL_BYTES:
            size = 2 if length == 126 else 8
            if have < 2 + size:
                return None
            length = int.from_bytes(came[head : head + size], "big")
            head += size
            if length >> 63 or length < (126 if size == 2 else 65536):
                return self._end_with(Broken("a length in more bytes than it needs"), heard)
        if (broken := self._wrong(first, second, length)) is not None:
            return self._end_with(Broken(broken), heard)
        if first & OPCODE < CLOSE and self._parts_bytes + length > self.max_message_bytes:
            return self._end_with(TooBig(), heard)
        end = head + 4 + length
        if len(came) < end:
            return None
        self._take(first, unmasked(bytes(came[head + 4 : end]), bytes(came[head : head + 4])), heard)
        return end

    def _wrong(self, first: int, second: int, length: int) -> str | None:
        """Say what is wrong with a frame's first bytes, if something is."""
        opcode = first & OPCODE
        if not second & MASKED:
            return "a frame of a client that is not masked"
        if first & RESERVED:
            return "an extension that was not agreed"
        if opcode in (BINARY, TEXT):
            return None if self._parts is None else "a message within a message"
        if opcode == CONTINUATION:
            return "the continuation of no message" if self._parts is None else None
        if opcode not in (CLOSE, PING, PONG):
            return f"an unknown opcode, {opcode}"
        return None if first & FIN and length <= MAX_CONTROL_BYTES else "a control frame that is long or in parts"

    def _take(self, first: int, payload: bytes, heard: list[Heard]) -> None:
        opcode = first & OPCODE
        if opcode == BINARY and first & FIN:
            heard.append(payload)
        elif opcode == PING:
            heard.append(Ping(payload))
        elif opcode == CLOSE:
            self._end_with(_closed(payload), heard)
        elif opcode != PONG:
            if self._parts is None:
                self._parts, self._is_text = [], opcode == TEXT
            self._parts.append(payload)
            self._parts_bytes += len(payload)
            if first & FIN:
                heard.append(Text() if self._is_text else b"".join(self._parts))
                self._parts, self._parts_bytes = None, 0

    def _end_with(self, last: Heard, heard: list[Heard]) -> int | None:
        heard.append(last)
        self._ended = True
        return None


def _closed(payload: bytes) -> CloseFrame | Broken:
    if not payload:
        return CloseFrame(b"")
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (1000 <= code < 5000) or code in RESERVED_CODES:
        return Broken("a close without a code that may be sent")
    return CloseFrame(payload[:2])


def unmasked(payload: bytes, mask: bytes) -> bytes:
    """Return a payload as it was before a client masked it (section 5.3)."""
    if len(payload) > UNMASKED_AT_ONCE_BYTES:
        view, size = memoryview(payload), UNMASKED_AT_ONCE_BYTES
        return b"".join(unmasked(bytes(view[n : n + size]), mask) for n in range(0, len(payload), size))
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    number = int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")
    return number.to_bytes(len(payload), "little")


def header(length: int) -> bytes:
    """Return what stands before a binary message of `length` bytes, in one frame."""
    if length < 126:
        return bytes((FIN | BINARY, length))
    if length < 1 << 16:
        return bytes((FIN | BINARY, 126)) + length.to_bytes(2, "big")
    return bytes((FIN | BINARY, 127)) + length.to_bytes(8, "big")


def pong(payload: bytes) -> bytes:
    """Return the frame that answers a ping."""
    return bytes((FIN | PONG, len(payload))) + payload


def close_frame(payload: bytes) -> bytes:
    """Return a close frame; a payload is a close code of two bytes and a reason, or empty."""
    return bytes((FIN | CLOSE, len(payload))) + payload


def close_payload(code: int, reason: str) -> bytes:
    """Return what a close frame says (section 5.5.1)."""
    return code.to_bytes(2, "big") + close_reason(reason).encode()


def close_reason(text: str) -> str:
    """Return as much of `text` as fits a close frame: 123 bytes."""
    return text.encode()[:123].decode(errors="ignore")
