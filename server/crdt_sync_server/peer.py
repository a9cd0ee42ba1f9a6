"""What every peer of a room has in common, whatever carries its frames: a way in, an outbox, and an end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import anyio

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import Message, decode
from crdt_sync_server.conduct import Conduct
from crdt_sync_server.hosted_room import HostedRoom
from crdt_sync_server.limits import Limit, LimitReached, Limits
from crdt_sync_server.logs import reached
from crdt_sync_server.outbox import Behind, Closing, Outbox
from crdt_sync_server.ports import Grant, Role
from crdt_sync_server.renewal import Renew, Renewal

__all__ = ["CLOSE_WITHIN_S", "RoomPeer"]

CLOSE_WITHIN_S = 5.0
"""How long a peer that is told to go may take to read what waits for it."""


class RoomPeer:
    """A peer of a room. The room knows it by identity and speaks to it through its outbox."""

    transport = "websocket"
    """One of `devices.TRANSPORTS`."""

    def __init__(
        self,
        room: HostedRoom,
        *,
        max_message_bytes: int,
        now: Callable[[], float],
        limits: Limits,
        grant: Grant,
        client: str | None,
        renew: Renew | None = None,
    ) -> None:
        """`renew` says of whom a fresh token is; without it none is looked at."""
        self._room = room
        self.room_name = room.name
        self.grant = grant
        self.subject = grant.subject
        self.read_only = grant.read_only
        self.client = client
        self._conduct = Conduct(limits, now())
        self._max_message_bytes = max_message_bytes
        self._now = now
        self._metrics = room.metrics
        self.outbox = Outbox(room.tail, self._wake)
        self.last_sent_s = now()
        self._renewal = None if renew is None else Renewal(self, room, renew)
        self._is_expelled = False
        self.ending: Closing | None = None
        """How the relay ended it; None while it has not."""

    def regrade(self, role: Role, as_of: int) -> None:
        """Go on with another role, which holds as of so many changes."""
        self.read_only = role is Role.READER
        self.grant = replace(self.grant, role=role, read_only=self.read_only, as_of=as_of)

    def expel(self, code: CloseCode, reason: str) -> None:
        """Close at once: nothing that waits is sent any more."""
        self._is_expelled = True
        self.outbox.close(code, reason, at_once=True)

    @property
    def ended(self) -> dict[str, object]:
        """The code and the reason of its end, for the log."""
        if self.ending is None:
            return {"reason": "the client left"}
        return {"code": int(self.ending.code), "reason": self.ending.reason}

    def hang_up(self, code: CloseCode, reason: str, limit: Limit | None = None) -> None:
        """Close after what waits has been sent, within a bounded time. `limit` is the bound that was met, if any."""
        if limit is not None and not self.outbox.is_closing:
            reached(limit, client=self.client, room=self._room.name, detail=reason)
        self.outbox.close(code, reason)

    def dismiss(self, code: CloseCode, reason: str, limit: Limit | None = None) -> None:
        """Take nothing more, and close with the reason. `limit` is the bound that was met, if any."""
        self._room.leave(self)
        self.hang_up(code, reason, limit)

    def strike(self, words: str) -> None:
        """Count a mistake that was found later; too many end the connection."""
        try:
            self._conduct.strike(words, self._now())
        except LimitReached as error:
            self._refuse(error)

    def take_at_once(self, message: bytes, now_s: float) -> bool:
        """Send content now, if nothing else waits and the connection is free for it; say whether it was sent."""
        return False

    def _wake(self) -> None:
        """Look into the outbox; it has something new."""
        raise NotImplementedError

    def _gone(self) -> None:
        self.outbox.discard()
        self._room.leave(self)

    def _refuse(self, error: RemoteProtocolError | LimitReached) -> None:
        """Take nothing more, and close with what it broke."""
        limit = error.limit if isinstance(error, LimitReached) else Limit.of(error.close_code)
        self.dismiss(CloseCode(error.close_code), str(error), limit)

    def _judge(self, frame: bytes) -> tuple[list[Message], float]:
        """Return what of a frame goes to the room, and how many seconds to wait before the next is read.

        Raises `RemoteProtocolError` and `LimitReached`.
        """
        self._metrics.received_bytes += len(frame)
        messages = decode(frame, max_bytes=self._max_message_bytes)
        judged = self._conduct.judge(messages, len(frame), self._now())
        if self._conduct.fresh_token is not None:
            token, self._conduct.fresh_token = self._conduct.fresh_token, None
            if self._renewal is not None:
                self._renewal.take(token)
        return judged

    async def _hear(self, frame: bytes) -> None:
        """Hand a frame over to the room, then wait as its rates say.

        Raises `RemoteProtocolError` and `LimitReached`.
        """
        messages, wait_s = self._judge(frame)
        await self._room.submit(self, messages, len(frame))
        if wait_s > 0:
            await anyio.sleep(wait_s)

    async def _next(self) -> bytes | Closing | None:
        """Return what to send now, or None if nothing waits."""
        item = self.outbox.next()
        if isinstance(item, Behind):
            item = await self._room.catch_up(item.state_vector)
            if self._is_expelled:  # meanwhile: what has been said since is not for it
                return await self._next()
        if isinstance(item, bytes):
            self._metrics.sent_bytes += len(item)
        elif item is not None:
            self._metrics.refused(item.code)
        return item
