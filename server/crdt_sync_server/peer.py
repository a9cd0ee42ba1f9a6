"""What every peer of a room has in common, whatever carries its frames: a way in, an outbox, and an end."""

from __future__ import annotations

from collections.abc import Callable

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import decode
from crdt_sync_server.host import HostedRoom
from crdt_sync_server.outbox import Behind, Closing, Outbox

__all__ = ["RoomPeer"]


class RoomPeer:
    """A peer of a room. The room knows it by identity and speaks to it through its outbox."""

    def __init__(self, room: HostedRoom, *, max_message_bytes: int, now: Callable[[], float]) -> None:
        self._room = room
        self._max_message_bytes = max_message_bytes
        self._now = now
        self._metrics = room.metrics
        self.outbox = Outbox(room.tail, self._wake)
        self.last_sent_s = now()

    def hang_up(self, code: CloseCode, reason: str) -> None:
        """Close after what waits has been sent, within a bounded time."""
        self.outbox.close(code, reason)

    def _wake(self) -> None:
        """Look into the outbox; it has something new."""
        raise NotImplementedError

    def _gone(self) -> None:
        self.outbox.discard()
        self._room.leave(self)

    def _refuse(self, code: int, reason: str) -> None:
        """Take nothing more, and close with the reason."""
        self._room.leave(self)
        self.hang_up(CloseCode(code), reason)

    async def _hear(self, frame: bytes) -> None:
        """Hand a frame over to the room. Raises `RemoteProtocolError`."""
        self._metrics.received_bytes += len(frame)
        messages = decode(frame, max_bytes=self._max_message_bytes)
        await self._room.submit(self, messages, len(frame))

    async def _next(self) -> bytes | Closing | None:
        """Return what to send now, or None if nothing waits."""
        item = self.outbox.next()
        if isinstance(item, Behind):
            item = await self._room.catch_up(item.state_vector)
        if isinstance(item, bytes):
            self._metrics.sent_bytes += len(item)
        elif item is not None:
            self._metrics.refused(item.code)
        return item
