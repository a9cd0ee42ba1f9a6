"""A WebSocket on a socket that its server has handed over: what comes is handled as it comes, and no task waits.

    open ──► closing ──► lost          the relay closes: what follows is dropped until the peer has answered
      └────────────────► lost          the peer closes, or is gone

The ordinary way of a frame through an ASGI server costs more than the system call at its end, in either direction, and
the tasks, queues and buffers of the server cost more memory than all that the relay keeps of a connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync_server.frames import (
    MAX_CONTROL_BYTES,
    Broken,
    CloseFrame,
    FrameReader,
    Heard,
    Ping,
    Text,
    TooBig,
    close_frame,
    close_payload,
    header,
    pong,
)
from crdt_sync_server.limits import Budget, Burst, Limit, LimitReached
from crdt_sync_server.logs import reached

__all__ = ["FREE_BYTES", "SOCKET", "Farewell", "HandedOver", "Owner", "TakenSocket", "Watch", "socket_of"]

SOCKET = "crdt_sync_server.socket"
"""The key of `scope["state"]` under which our server offers the connection's socket, a `HandedOver`."""
FREE_BYTES = 64 * 1024
"""What waits of one connection beyond this counts in the budget that all share."""
ANSWER_WITHIN_S = 2.0
"""How long a peer may take to answer our close."""
SHARED_BYTES = 1024 * 1024
"""Up to this length a frame is built once for all to whom it goes in turn; a longer one is never copied."""


class Watch(Protocol):
    """Who aborts a socket whose peer leaves unread for too long what was sent to it."""

    def begin(self) -> None:
        """Look at the socket now and then."""

    def end(self) -> None:
        """Look no more."""


class HandedOver(Protocol):
    """A connection whose server lets it go."""

    client: str | None
    half_open: Burst
    waiting: Budget

    def hold(self) -> None:
        """Read nothing more from the socket."""

    def take(self, protocol: asyncio.Protocol) -> Watch:
        """Give the socket to `protocol`, which hears `connection_made`. The WebSocket must be accepted already."""


class Owner(Protocol):
    """Whose socket it is."""

    def heard(self, message: bytes) -> None:
        """Take a message. It may `hold` the socket, and hears nothing more until it lets go."""

    def failed(self, error: RemoteProtocolError | LimitReached) -> None:
        """Close with a reason: what came is not a message, or more than may come."""

    def drained(self) -> None:
        """All that was written has left."""

    def lost(self) -> None:
        """The socket is gone."""


def socket_of(scope: Mapping[str, Any]) -> HandedOver | None:
    """Return the socket of a WebSocket, or None where the server keeps it, as with HTTP/2."""
    socket: HandedOver | None = (scope.get("state") or {}).get(SOCKET)
    return socket if scope.get("http_version") == "1.1" else None


class TakenSocket(asyncio.Protocol):
    """Frames in and out. It begins held; call `go_on` when its owner is ready to hear."""

    __slots__ = (
        "_budget", "_client", "_holds", "_is_closing", "_is_watched", "_owner", "_pending", "_pong", "_reader",
        "_reserved_bytes", "_timer", "_transport", "_watch", "is_clear", "is_lost",
    )  # fmt: skip
    _last: tuple[bytes, bytes] = (b"", b"")  # the message that was sent last by any, and its frame

    def __init__(self, handed: HandedOver, owner: Owner, *, max_message_bytes: int) -> None:
        self._owner = owner
        self._budget = handed.waiting
        self._client = handed.client
        self._reader = FrameReader(max_message_bytes)
        self._pending: list[Heard] | None = None  # what came while it was held
        self._holds = 1
        self._reserved_bytes = 0  # of the budget
        self._pong: bytes | None = None  # the last ping, if it could not be answered yet
        self._is_closing = False
        self._is_watched = False
        self._timer: asyncio.TimerHandle | None = None
        self.is_clear = True
        """True while the system has taken all that was written, so that more may follow at once."""
        self.is_lost = False
        self._transport: Any = None
        self._watch = handed.take(self)

    # What the owner asks

    def say(self, message: bytes) -> None:
        """Write one binary message. Only while `is_clear`."""
        last, frame = TakenSocket._last
        if last is message:
            self._transport.write(frame)
        elif len(message) <= SHARED_BYTES:
            frame = header(len(message)) + message
            TakenSocket._last = (message, frame)
            self._transport.write(frame)
        else:
            self._transport.writelines((header(len(message)), message))

    def close(self, code: int, reason: str) -> None:
        """Write a close, and end once the peer has answered it."""
        self._is_closing, self.is_clear = True, False
        self._write(close_frame(close_payload(code, reason)))
        self.end_within(ANSWER_WITHIN_S)
        self._holds, self._pending = 0, None
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def end_within(self, seconds: float) -> None:
        """End in so many seconds, whatever the peer does."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if self.is_lost else asyncio.get_running_loop().call_later(seconds, self._give_up)

    def hold(self) -> None:
        """Hear nothing more until `go_on` was called as often as this."""
        self._holds += 1
        if self._holds == 1 and not self._transport.is_closing():
            self._transport.pause_reading()

    def hold_for(self, seconds: float) -> None:
        """Hear nothing more for so many seconds."""
        self.hold()
        asyncio.get_running_loop().call_later(seconds, self.go_on)

    def go_on(self) -> None:
        """Hear what came meanwhile, and more, if this is the last that held it."""
        if not self._holds or self.is_lost:  # a close has ended all holds
            return
        self._holds -= 1
        if not self._holds:
            pending, self._pending = self._pending, None
            self._hear(pending or [])
            if not self._holds and not self._transport.is_closing():
                self._transport.resume_reading()

    # What the loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        self._transport = transport
        self._transport.set_write_buffer_limits(high=0)  # "drained" means that the system has taken every byte

    def data_received(self, data: bytes) -> None:
        """Hear what came."""
        self._hear(self._reader.feed(data))

    def pause_writing(self) -> None:
        """Not all that was written could leave."""
        self.is_clear = False
        if not self._is_watched:
            self._is_watched = True
            self._watch.begin()

    def resume_writing(self) -> None:
        """All that was written has left."""
        self.is_clear = not self._is_closing
        self._unwatch()
        if self._pong is not None:
            payload, self._pong = self._pong, None
            self._write(pong(payload))
        self._owner.drained()

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        self.is_lost, self.is_clear = True, False
        if self._timer is not None:
            self._timer.cancel()
        self._unwatch()
        self._reader.end()
        self._pending = None
        self._reserve()
        self._owner.lost()

    # Inside

    def _hear(self, heard: list[Heard]) -> None:
        if self._holds and heard:
            self._pending = heard if self._pending is None else self._pending + heard
        else:
            for number, one in enumerate(heard):
                if type(one) is bytes and not self._is_closing:
                    self._owner.heard(one)
                else:
                    self._hear_other(one)
                if self._holds:
                    self._pending = heard[number + 1 :]
                    break
        if not self._reserve():
            self._reader.end()  # or it would grow without being counted
            self._fail(LimitReached(Limit.WAITING_BYTES, f"{Limit.WAITING_BYTES.words}; try again later"))

    def _hear_other(self, heard: Heard) -> None:
        match heard:
            case CloseFrame(answer=answer):
                if not self._is_closing:
                    self._is_closing, self.is_clear = True, False
                    self._write(close_frame(answer))
                self._transport.close()  # once what waits has left
            case _ if self._is_closing:
                return
            case Ping(payload=payload):
                if self.is_clear:
                    self._write(pong(payload))
                else:
                    self._pong = payload  # the last alone need be answered (section 5.5.3)
            case Text():
                self._fail(RemoteProtocolError("a text message; the protocol is binary"))
            case TooBig():
                words = f"a message above {self._reader.max_message_bytes} bytes"
                self._fail(RemoteProtocolError(words, close_code=CloseCode.TOO_BIG))
            case Broken(reason=reason):
                self._fail(RemoteProtocolError(f"not a WebSocket frame: {reason}"))

    def _fail(self, error: RemoteProtocolError | LimitReached) -> None:
        """Drop what waits and what comes, but for an answer to our close, and let the owner close."""
        self._pending = None
        self._owner.failed(error)

    def _write(self, frame: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(frame)

    def _give_up(self) -> None:
        if self._transport.get_write_buffer_size():
            reached(Limit.LINGERING, client=self._client)
        self._transport.abort()

    def _unwatch(self) -> None:
        if self._is_watched:
            self._is_watched = False
            self._watch.end()

    def _reserve(self) -> bool:
        """Hold as much of the shared budget as this connection's messages need; say whether it was there."""
        held_bytes = self._reader.held_bytes
        if self._pending:
            held_bytes += sum(len(each) for each in self._pending if isinstance(each, bytes))
        needed = max(0, held_bytes - FREE_BYTES)
        if needed == self._reserved_bytes:
            return True
        if not self._budget.take(self._client, needed - self._reserved_bytes):
            return False
        self._reserved_bytes = needed
        return True


class Farewell:
    """The owner of a socket that is only to be closed; until it is gone it counts as half-open.

    The WebSocket must be accepted already.
    """

    def __init__(self, handed: HandedOver, code: int, reason: str) -> None:
        self._half_open, self._client = handed.half_open, handed.client
        self._half_open.add(self._client)
        TakenSocket(handed, self, max_message_bytes=MAX_CONTROL_BYTES).close(code, reason)

    def heard(self, message: bytes) -> None:
        """Drop it."""

    def failed(self, error: RemoteProtocolError | LimitReached) -> None:
        """It is closed already."""

    def drained(self) -> None:
        """There is nothing more to say."""

    def lost(self) -> None:
        """It is over."""
        self._half_open.leave(self._client)
