"""A client for documents of many megabytes, a thousand of them in one process: it compares what it reads.

The large message is kept once, for the content to be checked. Everybody must be sent the same bytes, and is compared,
piece by piece; one that is sent others keeps its own. So 1,000 joins of 40 MB take 40 MB here.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from typing import cast
from urllib.parse import urlsplit

from benchmarks.wire import STEP_2, UPDATE, Room, whole_messages

LARGE_BYTES = 64 * 1024
BUFFER_BYTES = 1024 * 1024
CONTROL = 0x08  # an opcode from here on: close, ping, pong
PING, PONG = 0x09, 0x0A


Frame = tuple[float, bytes, bool, bool]  # when, payload, rsv1, fin


class Reference:
    """The large message that all clients are sent: what the fastest has read of it so far."""

    def __init__(self) -> None:
        self.payload = bytearray()

    def agrees(self, at: int, piece: memoryview) -> bool:
        """Say whether a piece is what others were sent at that place; what nobody was sent before is learnt."""
        known = self.payload[at : at + len(piece)]
        if known != piece[: len(known)]:
            return False
        self.payload += piece[len(known) :]
        return True


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
    """One connection. `synced` is done, with the time, once step 2 is there; `received_bytes` counts all bytes.

    With `everything` only the large message counts: a relay that is still loading may answer with an empty document.
    """

    shared = bytearray(BUFFER_BYTES)  # a read is looked at before the next one is made

    def __init__(self, room: Room, state_vector: bytes, reference: Reference, *, everything: bool) -> None:
        self._room = room
        self._state_vector = state_vector
        self._reference = reference
        self._everything = everything
        self._transport: asyncio.Transport | None = None
        self._upgraded = False
        self._head = bytearray()  # of a frame, or of the answer to the upgrade
        self._first = 0
        self._left = 0  # of the payload of the frame that is being read
        self._at = 0
        self._own: bytearray | None = None  # the payload, where it has to be kept
        self._frames: list[Frame | None] = []  # None stands for the large one, which is the reference's
        self._large: tuple[float, bool, bool] | None = None
        self.received_bytes = 0
        self.differs = False
        self.synced: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
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
        elif not self._reference.agrees(self._at, piece):
            self.differs = True
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
        shared = self._left > LARGE_BYTES and self._large is None
        self._own = None if shared else bytearray()
        if not self._left:
            self._frame_ended()
        return taken

    def _frame_ended(self) -> None:
        now = time.perf_counter()
        opcode, rsv1, fin = self._first & 0x0F, bool(self._first & 0x40), bool(self._first & 0x80)
        if opcode >= CONTROL:
            if opcode == PING and self._transport is not None:
                self._transport.write(masked_frame(bytes(self._own or b""), PONG))
        elif self._own is None:
            self._large = now, rsv1, fin
            self._frames.append(None)
            self._sync(now)
        else:
            self._frames.append((now, bytes(self._own), rsv1, fin))
            if self._at > LARGE_BYTES or (not self._everything and any(step == STEP_2 for step, _ in self._syncs())):
                self._sync(now)

    def _sync(self, now: float) -> None:
        if not self.synced.done():
            self.synced.set_result(now)

    def _syncs(self) -> list[tuple[int, bytes]]:
        frames: list[Frame] = []
        for frame in self._frames:
            if frame is None:
                assert self._large is not None
                at, rsv1, fin = self._large
                frame = at, bytes(self._reference.payload), rsv1, fin
            frames.append(frame)
        return [sync for _, message in whole_messages(frames) if (sync := self._room.sync(message))]

    @property
    def is_synced(self) -> bool:
        """True once step 2 is there."""
        return self.synced.done() and not self.synced.cancelled() and self.synced.exception() is None

    @property
    def has_large(self) -> bool:
        """True once the large message is there."""
        return self._large is not None

    def updates(self) -> list[bytes]:
        """Return the updates that it was sent."""
        return [data for step, data in self._syncs() if step in (STEP_2, UPDATE)]
