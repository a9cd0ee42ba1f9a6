"""One WebSocket: a reader that feeds the room, and a writer that empties the outbox. Nothing else sends."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync_server.host import HostedRoom
from crdt_sync_server.outbox import Closing
from crdt_sync_server.peer import RoomPeer

__all__ = ["Connection", "close_reason"]

CLOSE_WITHIN_S = 5.0
"""How long a peer that is told to go may take to read what waits for it."""

logger = logging.getLogger("crdt_sync_server")


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
    ) -> None:
        super().__init__(room, max_message_bytes=max_message_bytes, now=now)
        self._receive = receive
        self._send = send
        self._work = anyio.Event()
        self._scope = anyio.CancelScope()

    def _wake(self) -> None:
        if self.outbox.is_closing:
            self._scope.deadline = min(self._scope.deadline, anyio.current_time() + CLOSE_WITHIN_S)
        self._work.set()

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
                if frame is None:
                    raise RemoteProtocolError("a text message; the protocol is binary")
                await self._hear(frame)
            except RemoteProtocolError as error:
                self._refuse(error.close_code, str(error))
                await anyio.sleep_forever()

    async def _write(self) -> None:
        while True:
            item = await self._next()
            if item is None:
                self._work = anyio.Event()
                await self._work.wait()
                continue
            if isinstance(item, Closing):
                logger.info("close room=%r code=%d reason=%s", self._room.name, item.code, item.reason)
                await self._send(
                    {"type": "websocket.close", "code": int(item.code), "reason": close_reason(item.reason)}
                )
                self._scope.cancel()
                return
            await self._send({"type": "websocket.send", "bytes": item})
            self.last_sent_s = self._now()


def close_reason(text: str) -> str:
    """Return as much of `text` as fits a close frame: 123 bytes (RFC 6455, section 5.5)."""
    return text.encode()[:123].decode(errors="ignore")
