"""One WebSocket of any ASGI server: a reader that feeds the room, and a writer that empties the outbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from crdt_sync.errors import RemoteProtocolError
from crdt_sync_server.frames import close_reason
from crdt_sync_server.hosted_room import HostedRoom
from crdt_sync_server.limits import LimitReached, Limits
from crdt_sync_server.outbox import Closing
from crdt_sync_server.peer import CLOSE_WITHIN_S, RoomPeer
from crdt_sync_server.ports import Grant
from crdt_sync_server.renewal import Renew

__all__ = ["Connection"]


class Connection(RoomPeer):
    """A peer of a room over a WebSocket. Nothing but its writer sends."""

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
        renew: Renew | None = None,
    ) -> None:
        super().__init__(
            room, max_message_bytes=max_message_bytes, now=now, limits=limits, grant=grant, client=client, renew=renew
        )
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
                if frame is None:
                    raise RemoteProtocolError("a text message; the protocol is binary")
                await self._hear(frame)
            except (RemoteProtocolError, LimitReached) as error:
                self._refuse(error)
                await anyio.sleep_forever()

    async def _write(self) -> None:
        while True:
            item = await self._next()
            if item is None:
                self._work = anyio.Event()
                await self._work.wait()
            elif isinstance(item, Closing):
                self.ending = item
                await self._send(
                    {"type": "websocket.close", "code": int(item.code), "reason": close_reason(item.reason)}
                )
                self._scope.cancel()
                return
            else:
                await self._send({"type": "websocket.send", "bytes": item})
                self.last_sent_s = self._now()
