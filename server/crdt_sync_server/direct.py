"""A peer of a room on a socket of its own: each message goes to the room as it comes, each frame out as it is due."""

from __future__ import annotations

from collections.abc import Callable

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync_server.errors import RelayError
from crdt_sync_server.hosted_room import HostedRoom
from crdt_sync_server.limits import LimitReached, Limits
from crdt_sync_server.outbox import Behind, Closing
from crdt_sync_server.peer import CLOSE_WITHIN_S, RoomPeer
from crdt_sync_server.ports import Grant
from crdt_sync_server.renewal import Renew
from crdt_sync_server.taken import HandedOver, TakenSocket

__all__ = ["DirectConnection"]


class DirectConnection(RoomPeer):
    """Made, it has the socket and hears nothing; `enter` brings it into its room."""

    def __init__(
        self,
        handed: HandedOver,
        room: HostedRoom,
        *,
        max_message_bytes: int,
        now: Callable[[], float],
        limits: Limits,
        grant: Grant,
        client: str | None,
        left: Callable[[DirectConnection], None],
        renew: Renew | None = None,
    ) -> None:
        """`left` is called once the socket is gone; the WebSocket must be accepted already."""
        super().__init__(
            room, max_message_bytes=max_message_bytes, now=now, limits=limits, grant=grant, client=client, renew=renew
        )
        self._left = left
        self._behind: Behind | None = None  # what to send once the room has committed
        self._will_end = False
        self._socket = TakenSocket(handed, self, max_message_bytes=max_message_bytes)

    async def enter(self) -> None:
        """Enter the room, once it is loaded, and begin to hear; if it cannot be loaded, close."""
        try:
            await self._room.enter(self)
        except RelayError as error:
            self.hang_up(CloseCode(error.close_code), str(error))
        if self._socket.is_lost:
            self._room.leave(self)
        else:
            self._socket.go_on()

    # What the socket says

    def heard(self, message: bytes) -> None:
        """Hand a message over to the room, and hear no more for as long as its rates or the room's inbox say."""
        if self.outbox.is_closing:
            return
        try:
            messages, wait_s = self._judge(message)
        except (RemoteProtocolError, LimitReached) as error:
            self._refuse(error)
            return
        if not self._room.offer(self, messages, len(message)):
            self._socket.hold()
            self._room.when_taken(self, self._socket.go_on)
        if wait_s > 0:
            self._socket.hold_for(wait_s)

    def failed(self, error: RemoteProtocolError | LimitReached) -> None:
        """Close with the reason."""
        self._refuse(error)

    def drained(self) -> None:
        """Send what waits."""
        self._send()

    def lost(self) -> None:
        """Leave the room."""
        self._behind = None
        self._gone()
        self._left(self)

    # What the room says

    def take_at_once(self, message: bytes, now_s: float) -> bool:
        """Write straight to the socket: the common case of the hottest loop, so it leaves out the outbox."""
        if not self._socket.is_clear or self._behind is not None or self.outbox.is_waiting or self.outbox.is_closing:
            return False
        self._socket.say(message)
        self._metrics.sent_bytes += len(message)
        self.last_sent_s = now_s
        return True

    def expel(self, code: CloseCode, reason: str) -> None:
        """Close at once: nothing that waits is sent any more."""
        self._behind = None
        super().expel(code, reason)

    def _wake(self) -> None:
        if self.outbox.is_closing and not self._will_end:
            self._will_end = True
            self._socket.end_within(CLOSE_WITHIN_S)
        self._send()

    def _send(self) -> None:
        """Write what waits straight to the socket while that takes it."""
        while self._socket.is_clear:
            item = self._behind or self.outbox.next()
            if item is None:
                return
            if isinstance(item, Behind):
                frame = self._room.catch_up_now(item.state_vector)
                if frame is None and not self.outbox.is_closing:
                    if self._behind is None:
                        self._behind = item
                        self._room.when_settled(self._send)
                    return
                self._behind = None
                if frame is not None:
                    self._say(frame)
            elif isinstance(item, Closing):
                self.ending = item
                self._metrics.refused(item.code)
                self._socket.close(item.code, item.reason)
            else:
                self._say(item)

    def _say(self, frame: bytes) -> None:
        self._socket.say(frame)
        self._metrics.sent_bytes += len(frame)
        self.last_sent_s = self._now()
