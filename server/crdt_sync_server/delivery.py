"""What a room says, on its way to who is in it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync_server.announcing import Announcer
from crdt_sync_server.limits import Limit
from crdt_sync_server.logs import reached
from crdt_sync_server.outbox import Outbox, Tail
from crdt_sync_server.ports import Grant, Role
from crdt_sync_server.turn import Content, Durable, Frame, HangUp, Offence, Output, PresenceOf

if TYPE_CHECKING:
    from crdt_sync_server.host import Host

__all__ = ["Delivery", "Peer"]

SPEAK_AFTER_S = 20.0
"""A stock client closes after 30 s without a message; pings do not count."""


class Peer(Protocol, Hashable):
    """What the host needs of a connection."""

    outbox: Outbox
    last_sent_s: float
    client: str | None
    subject: str | None
    read_only: bool
    grant: Grant
    transport: str

    def regrade(self, role: Role, as_of: int) -> None:
        """Go on with another role, which holds as of so many changes."""

    def expel(self, code: CloseCode, reason: str) -> None:
        """Close at once: nothing that waits is sent any more."""

    def hang_up(self, code: CloseCode, reason: str, limit: Limit | None = None) -> None:
        """Close after what waits has been sent; `limit` is the bound that was reached, if one was."""

    def strike(self, words: str) -> None:
        """Count a mistake."""

    def take_at_once(self, message: bytes, now_s: float) -> bool:
        """Send content now, if nothing else waits and the connection is free for it; say whether it was sent."""


class Delivery:
    """The sends of one room, and how far behind each of its peers is. `forget` is told whom the room hangs up on."""

    __slots__ = ("_announcer", "_forget", "_host", "_lags", "_name", "tail")

    def __init__(self, name: str, host: Host, forget: Callable[[Peer], None]) -> None:
        self._name = name
        self._host = host
        self._forget = forget
        self.tail = Tail()
        self._announcer = Announcer(host.now, host.beside)
        self._lags: dict[Peer, float] = {}  # peer → since when something waits for it and nothing was sent

    def perform(self, outputs: Sequence[Output[Peer]]) -> None:
        """Do it all, in order."""
        for output in outputs:
            match output:
                case Frame(peer=peer, frame=frame):
                    if not peer.outbox.frame(frame):
                        reached(Limit.ANSWERS, client=peer.client, room=self._name)
                case Content(update=update, moved=moved, peers=peers, updates=updates):
                    self._host.metrics.deliveries += updates * len(peers)
                    message, now_s = self.tail.push(update, moved), self._host.now()
                    for peer in peers:
                        if peer.take_at_once(message, now_s):
                            self.tail.frames_taken += 1
                        else:
                            peer.outbox.content()
                case PresenceOf(entries=entries, peers=peers):
                    self._announcer.tell(entries, peers)
                case HangUp(peer=peer, code=code, reason=reason, limit=limit):
                    self._forget(peer)
                    peer.hang_up(code, reason, limit)
                case Offence(peer=peer, words=words):
                    peer.strike(words)
                case Durable(done=done):
                    done()

    def sweep(self, peers: Iterable[Peer], now_s: float) -> bool:
        """Speak to those who have heard nothing for long; return whether something waits for anybody."""
        lags = {}
        for peer in peers:
            if now_s - peer.last_sent_s >= SPEAK_AFTER_S:
                peer.outbox.keep_alive()
            if peer.outbox.is_waiting:
                since_s = self._lags.get(peer, now_s)
                lags[peer] = since_s if peer.last_sent_s <= since_s else now_s
        self._lags = lags
        self.count_frames()
        return bool(lags)

    def lag_s(self, now_s: float) -> float:
        """Return for how long something has waited for the peer that is served worst, as of the last sweep."""
        return max((now_s - since_s for since_s in self._lags.values()), default=0.0)

    def count_frames(self) -> None:
        """Tell the metrics how many frames of content went out."""
        self._host.metrics.content_frames += self.tail.frames_taken
        self.tail.frames_taken = 0
