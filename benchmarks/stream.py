"""A client for documents of many megabytes, a thousand of them in one process: it compares as it reads, and keeps nothing.

The first that gets a large message keeps it, for the content to be checked. The others must be sent the same bytes, and
are compared with it, piece by piece; one that is sent others keeps its own. So 1,000 joins of 40 MB take 40 MB here.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from benchmarks.wire import STEP_2, Room, whole_messages

LARGE_BYTES = 64 * 1024
BUFFER_BYTES = 1024 * 1024
CONTROL = 0x08  # an opcode from here on: close, ping, pong
PING, PONG = 0x09, 0x0A


@dataclass(slots=True)
class Reference:
    """The large message as the first client got it; `frames` are all of that client's up to it."""

    payload: bytearray = field(default_factory=bytearray)
    owner: Streamer | None = None
    frames: list[tuple[float, bytes, bool, bool]] = field(default_factory=list)


def masked_frame(payload: bytes, opcode: int = 0x02) -> bytes:
    """Return a frame as a client sends it (RFC 6455, section 5.2), with a mask of zeros."""
    length = len(payload)
    if length < 126:
        head = bytes((0x80 | opcode, 0x80 | length))
    elif length < 2**16:
        head = bytes((0x80 | opcode, 0x80 | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0x80 | 127)) + length.to_bytes(8, "big")
    return head + b"\x00\x00\x00\x00" + payload


def frame_head(data: bytes | bytearray) -> tuple[int, int, int] | None:
    """Return first byte, length of the head and of the payload of an unmasked frame; None if the head is not whole."""
    if len(data) < 2:
        return None
    short = data[1] & 0x7F
    head = 2 + {126: 2, 127: 8}.get(short, 0)
    if len(data) < head:
        return None
    return data[0], head, short if head == 2 else int.from_bytes(data[2:head], "big")


class Streamer(asyncio.BufferedProtocol):
    """One connection. `synced` is done, with the time, once step 2 is there; `received_bytes` counts all bytes."""

    shared = bytearray(BUFFER_BYTES)  # a read is looked at before the next one is made

    def __init__(self, room: Room, state_vector: bytes, reference: Reference) -> None:
        self._room = room
        self._state_vector = state_vector
        self._reference = reference
        self._transport: asyncio.Transport | None = None
        self._upgraded = False
        self._head = bytearray()  # of a frame, or of the answer to the upgrade
        self._first = 0
        self._left = 0  # of the payload of the frame that is being read
        self._at = 0
        self._own: bytearray | None = None  # the payload, where it has to be kept
        self._frames: list[tuple[float, bytes, bool, bool]] = []
        self._is_large = False
        self.received_bytes = 0
        self.synced: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.payload_differs = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /{self._room.name} HTTP/1.1\r\nHost: {urlsplit(self._room.url).netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n".encode()
        )

    def connection_lost(self, error: Exception | None) -> None:
        if not self.synced.done():
            self.synced.set_exception(ConnectionError(f"the relay went away: {error or 'it closed'}"))
            self.synced.exception()  # it is looked at together with the others

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.shared

    def buffer_updated(self, nbytes: int) -> None:
        self.received_bytes += nbytes
        with memoryview(self.shared) as view:
            at = 0
            while at < nbytes:
                at += self._take(view[at:nbytes])

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _take(self, view: memoryview) -> int:
        if not self._upgraded:
            return self._take_answer(view)
        if not self._left:
            return self._take_head(view)
        piece = view[: min(self._left, len(view))]
        if self._own is not None:
            self._own += piece
        elif self._reference.payload[self._at : self._at + len(piece)] != piece:
            self.payload_differs = True
            self._own = self._reference.payload[: self._at] + piece
        self._at += len(piece)
        self._left -= len(piece)
        if not self._left:
            self._frame_ended()
        return len(piece)

    def _take_answer(self, view: memoryview) -> int:
        before = len(self._head)
        self._head += view
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            return len(view)
        if not self._head.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(f"refused: {bytes(self._head[:60])!r}")
        self._upgraded = True
        self._head.clear()
        assert self._transport is not None
        self._transport.write(b"".join(masked_frame(each) for each in self._room.hello(self._state_vector)))
        return end + 4 - before

    def _take_head(self, view: memoryview) -> int:
        before = len(self._head)
        self._head += view[: 10 - before]
        found = frame_head(self._head)
        if found is None:
            return len(view)
        self._first, length, self._left = found
        taken = length - before
        self._head.clear()
        self._at = 0
        self._is_large = self._left > LARGE_BYTES
        if not self._is_large:
            self._own = bytearray()
        elif self._reference.owner is None:
            self._reference.owner = self
            self._own = self._reference.payload
        else:
            self._own = None
        if not self._left:
            self._frame_ended()
        return taken

    def _frame_ended(self) -> None:
        now = time.perf_counter()
        opcode = self._first & 0x0F
        if opcode >= CONTROL:
            if opcode == PING and self._transport is not None:
                self._transport.write(masked_frame(bytes(self._own or b""), PONG))
            return
        is_owner = self._reference.owner is self
        if self._is_large and not is_owner and self._own is None:
            if self._at != len(self._reference.payload) and not self.synced.done():
                self.synced.set_exception(AssertionError("another length than the first was sent"))
            self._sync(now)
            return
        self._frames.append((now, bytes(self._own or b""), bool(self._first & 0x40), bool(self._first & 0x80)))
        if self._is_large and is_owner:
            self._reference.frames = self._frames
        if self._is_large or not self.synced.done():
            self._look_for_step_2(now)

    def _look_for_step_2(self, now: float) -> None:
        if self._is_large or any(
            (sync := self._room.sync(message)) and sync[0] == STEP_2 for _, message in whole_messages(self._frames)
        ):
            self._sync(now)

    def _sync(self, now: float) -> None:
        if not self.synced.done():
            self.synced.set_result(now)

    def updates(self) -> list[bytes]:
        """Return the updates of all messages that were kept; of the reference's owner, all it was sent."""
        syncs = [self._room.sync(message) for _, message in whole_messages(self._frames)]
        return [sync[1] for sync in syncs if sync and sync[0]]
