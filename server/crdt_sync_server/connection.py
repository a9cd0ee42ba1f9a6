"""One WebSocket: a reader that feeds the room, and a writer that empties the outbox. Nothing else sends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync_server.hosted_room import HostedRoom
from crdt_sync_server.limits import Limit, LimitReached, Limits
from crdt_sync_server.outbox import Behind, Closing
from crdt_sync_server.peer import RoomPeer
from crdt_sync_server.ports import Grant
from crdt_sync_server.wire import Wire

__all__ = ["Connection", "close_reason"]

CLOSE_WITHIN_S = 5.0
"""How long a peer that is told to go may take to read what waits for it."""


class Connection(RoomPeer):
    """A peer of a room over a WebSocket."""

    def __init__(
        self,
        room: HostedRoom,
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
        *,
        max_message_bytes: int,
        now: Callable[[], float],
        limits: Limits,
        grant: Grant,
        client: str | None,
        wire: Wire | None = None,
    ) -> None:
        self._wire = wire
        self._held: Behind | Closing | None = None
        self._busy = False  # the writer has taken something and not sent it yet: nothing may overtake it
        super().__init__(room, max_message_bytes=max_message_bytes, now=now, limits=limits, grant=grant, client=client)
        self.ending: Closing | None = None
        """How the relay ended it; None while it has not."""
        self._receive = receive
        self._send = send
        self._work = anyio.Event()
        self._scope = anyio.CancelScope()

    def _wake(self) -> None:
        if self.outbox.is_closing:
            self._scope.deadline = min(self._scope.deadline, anyio.current_time() + CLOSE_WITHIN_S)
        if self._wire is None or self._busy or not self._send_at_once(self._wire):
            self._work.set()

    def _send_at_once(self, wire: Wire) -> bool:
        """Write what waits straight to the socket while that takes it; return False if the writer must go on."""
        while wire.is_clear() and self._held is None:
            item = self.outbox.next()
            if isinstance(item, bytes):
                wire.write(item)
                self._metrics.sent_bytes += len(item)
                self.last_sent_s = self._now()
            elif item is None:
                return True
            else:
                self._held = item
        return False

    @property
    def ended(self) -> dict[str, object]:
        """The code and the reason of its end, for the log."""
        if self.ending is None:
            return {"reason": "the client left"}
        return {"code": int(self.ending.code), "reason": self.ending.reason}

    async def run(self) -> None:
        """Serve the connection until either side ends it. The WebSocket must be accepted already."""
        await self._room.enter(self)
        try:
            async with anyio.create_task_group() as tasks:
                self._scope = tasks.cancel_scope
                tasks.start_soon(self._write)
                await self._read()
                tasks.cancel_scope.cancel()
        finally:
            self._gone()

    async def _read(self) -> None:
        while True:
            event = await self._receive()
            if event["type"] != "websocket.receive":
                return
            frame = event.get("bytes")
            try:
                if event.get("too_big"):
                    raise RemoteProtocolError(
                        f"a message above {self._max_message_bytes} bytes", close_code=CloseCode.TOO_BIG
                    )
                if event.get("no_room"):
                    raise LimitReached(Limit.WAITING_BYTES, f"{Limit.WAITING_BYTES.words}; try again later")
                if "broken" in event:
                    raise RemoteProtocolError(f"not a WebSocket frame: {event['broken']}")
                if frame is None:
                    raise RemoteProtocolError("a text message; the protocol is binary")
                await self._hear(frame)
            except (RemoteProtocolError, LimitReached) as error:
                self._refuse(error)
                await anyio.sleep_forever()

    async def _write(self) -> None:
        while True:
            self._busy = True
            if self._wire is not None:
                try:
                    await self._wire.drain()
                except ConnectionError:
                    return  # the reader finds the same, and ends the connection
            item, self._held = self._held or self.outbox.next(), None
            if isinstance(item, Behind):
                item = await self._room.catch_up(item.state_vector)
            if item is None:
                self._busy, self._work = False, anyio.Event()
                await self._work.wait()
            elif isinstance(item, Closing):
                self.ending = item
                self._metrics.refused(item.code)
                await self._send(
                    {"type": "websocket.close", "code": int(item.code), "reason": close_reason(item.reason)}
                )
                self._scope.cancel()
                return
            else:
                if self._wire is not None:
                    self._wire.write(item)
                else:
                    await self._send({"type": "websocket.send", "bytes": item})
                self._metrics.sent_bytes += len(item)
                self.last_sent_s = self._now()


def close_reason(text: str) -> str:
    """Return as much of `text` as fits a close frame: 123 bytes (RFC 6455, section 5.5)."""
    return text.encode()[:123].decode(errors="ignore")
