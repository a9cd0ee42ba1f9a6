"""How one connection behaves: what slows it, what counts as a mistake, and when there have been too many.

    slowed     updates and barriers, bytes: it is not read from until its debt is paid, so nothing is lost
    a strike   presence faster than its rate (the excess is dropped), an edit over a read-only connection
    closed     questions faster than their rate: each may cost a whole document, and who asked would wait for ever

Strikes are forgiven, one a minute.
"""

from __future__ import annotations

from crdt_sync.protocol.messages import (
    Awareness,
    Barrier,
    FreshToken,
    Message,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
)
from crdt_sync_server.limits import Limit, LimitReached, Limits, TokenBucket

__all__ = ["Conduct"]

STRIKES_FORGIVEN_PER_S = 1 / 60


class Conduct:
    """The rates and strikes of one connection. Time is an argument."""

    __slots__ = ("_bytes", "_max_presence_bytes", "_presence", "_questions", "_strikes", "_updates", "fresh_token")

    def __init__(self, limits: Limits, now_s: float) -> None:
        self._max_presence_bytes = limits.max_presence_bytes
        self._updates = TokenBucket(per_s=limits.updates_per_s, burst=limits.updates_burst, now_s=now_s)
        self._bytes = TokenBucket(per_s=limits.bytes_per_s, burst=limits.bytes_burst, now_s=now_s)
        self._presence = TokenBucket(per_s=limits.presence_per_s, burst=limits.presence_burst, now_s=now_s)
        self._questions = TokenBucket(per_s=limits.questions_per_minute / 60, burst=limits.questions_burst, now_s=now_s)
        self.fresh_token: str | None = None
        """The last that came in a frame; whoever takes it away sets it to None."""
        self._strikes = TokenBucket(per_s=STRIKES_FORGIVEN_PER_S, burst=limits.strikes, now_s=now_s)

    def judge(self, messages: list[Message], size_bytes: int, now_s: float) -> tuple[list[Message], float]:
        """Return what of a frame's messages goes to the room, and how many seconds to wait before the next is read.

        Raises `LimitReached` if the connection must end.
        """
        wait_s = self._bytes.pay(size_bytes, now_s)
        kept: list[Message] = []
        for message in messages:
            match message:
                case SyncUpdate() | SyncStep2() | Barrier():
                    wait_s = max(wait_s, self._updates.pay(1, now_s))
                case SyncStep1() | QueryAwareness():
                    if not self._questions.take(1, now_s):
                        raise LimitReached(Limit.QUESTIONS, f"{Limit.QUESTIONS.words}; come back later")
                case FreshToken(token=token):  # it may cost an answer of the identity provider
                    if not self._questions.take(1, now_s):
                        raise LimitReached(Limit.QUESTIONS, f"{Limit.QUESTIONS.words}; come back later")
                    self.fresh_token = token
                    continue
                case Awareness(entries=entries):
                    if not self._presence.take(max(1, len(entries)), now_s):
                        self.strike("presence faster than its rate", now_s)
                        continue
                    if any(len(entry.state.encode()) > self._max_presence_bytes for entry in entries):
                        raise LimitReached(Limit.PRESENCE_BYTES, f"a presence above {self._max_presence_bytes} bytes")
                case _:  # unknown types cost the receiver nothing
                    wait_s = max(wait_s, self._updates.pay(1, now_s))
            kept.append(message)
        return kept, wait_s

    def strike(self, words: str, now_s: float) -> None:
        """Count a mistake. Raises `LimitReached` if it is one too many."""
        if not self._strikes.take(1, now_s):
            raise LimitReached(Limit.STRIKES, f"{Limit.STRIKES.words}, the last: {words}")
