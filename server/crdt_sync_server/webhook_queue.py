"""What waits for one webhook, and when it is due. Nothing here sleeps, sends or asks for the time.

    put ──► waiting ──(due)──► in flight ──► done
               ▲                   │
               └──── failed ◄──────┘    later each time, until it is given up

Of each room one delivery waits and one is in flight, whatever happens there: what is newer takes the place of what
waits. A room that changes while it is in flight waits until that is over.

A failure also holds up the whole queue, longer with each other room that fails until a delivery is taken: a receiver
that is down is asked by a few of the rooms that wait, and not by thousands.
"""

from __future__ import annotations

import heapq
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from crdt_sync_server.changes import Change, latest
from crdt_sync_server.limits import TokenBucket

__all__ = ["Delivery", "WebhookBounds", "WebhookQueue", "retry_delay_s"]

MOST_IN_FLIGHT = 4
CALLS_PER_S = 50
"""A call costs half a millisecond of the processor that the rooms run on, so thousands that are due take their time."""
MAX_DELAY_S = 300.0
_FIRST_DELAY_S = 2.0


@dataclass(frozen=True, slots=True)
class WebhookBounds:
    """`gather_s`: how long changes of a room are gathered; `give_up_s`: for how long one is tried, in seconds.

    `most_waiting`: how many rooms may wait for one webhook.
    """

    gather_s: float = 5.0
    give_up_s: float = 3600.0
    most_waiting: int = 4096


@dataclass(frozen=True, slots=True)
class Delivery:
    """A change that is to be told. `id` stays the same for as long as `change` does, so who hears it twice can tell.

    `since_s` says when it, or what it took the place of, came; `attempts` how often that was tried.
    """

    id: str
    change: Change
    since_s: float
    attempts: int = 0


def retry_delay_s(attempts: int, random: Callable[[], float]) -> float:
    """Return how long to wait after so many failed attempts: 2, 4, 8 … 300 s, of which half is chance.

    `random` returns a float in [0, 1). A receiver that comes back is not met by all rooms at once.
    """
    ceiling_s: float = min(_FIRST_DELAY_S * 2.0 ** min(attempts - 1, 30), MAX_DELAY_S)
    return ceiling_s * (1 + random()) / 2


class WebhookQueue:
    """The deliveries of one webhook, 4 at a time and 50 a second at most.

    Time is an argument, in seconds, and does not run backwards.
    """

    def __init__(self, bounds: WebhookBounds) -> None:
        self._bounds = bounds
        self._gather_s = bounds.gather_s
        self._waiting: dict[str, Delivery] = {}
        self._due: list[tuple[float, str]] = []  # a heap of those that wait, but for rooms that are in flight
        self._in_flight: dict[str, Delivery] = {}
        self._paused_until_s = float("-inf")
        self._rate = TokenBucket(per_s=CALLS_PER_S, burst=CALLS_PER_S, now_s=0.0)
        self._is_hurried = False
        self._failures = 0  # since a delivery was taken; those that were in flight together are one
        self._failed: str | None = None  # the room of the last; alone it says little about the receiver

    def __len__(self) -> int:
        """Return how many deliveries wait or are in flight."""
        return len(self._waiting) + len(self._in_flight)

    def put(self, change: Change, now_s: float) -> bool:
        """Take a change; return False if there is no place for one more room, and it is dropped."""
        room = change.room
        if (waiting := self._waiting.get(room)) is not None:
            self._waiting[room] = _newer(waiting, change)
            return True
        if len(self._waiting) >= self._bounds.most_waiting:
            return False
        self._waiting[room] = Delivery(_new_id(), change, now_s)
        if room not in self._in_flight:
            self._push(room, now_s + self._gather_s)
        return True

    def take(self, now_s: float) -> Delivery | None:
        """Return what is to be sent now, if anything is; tell `done` or `failed` what came of it."""
        if len(self._in_flight) >= MOST_IN_FLIGHT or now_s < self._paused_until_s:
            return None
        if not self._due or self._due[0][0] > now_s or not (self._is_hurried or self._rate.take(1, now_s)):
            return None
        _, room = heapq.heappop(self._due)
        delivery = self._in_flight[room] = self._waiting.pop(room)
        return delivery

    def done(self, delivery: Delivery, now_s: float) -> None:
        """Say that a delivery is over: it was taken, or refused by a receiver that is well."""
        self._failures, self._failed = 0, None
        self._end(delivery, now_s)

    def failed(self, delivery: Delivery, now_s: float, random: Callable[[], float]) -> bool:
        """Say that a delivery failed; return False if it is given up, as it would be tried for longer than it may."""
        room, attempts = delivery.change.room, delivery.attempts + 1
        due_s = now_s + retry_delay_s(attempts, random)
        if now_s >= self._paused_until_s:
            self._failures += room != self._failed
            self._failed = room
            self.pause(now_s + retry_delay_s(self._failures, random))
        if due_s - delivery.since_s > self._bounds.give_up_s:
            self._end(delivery, now_s)
            return False
        del self._in_flight[room]
        again = replace(delivery, attempts=attempts)
        if (newer := self._waiting.get(room)) is not None:
            again = _newer(again, newer.change)
        self._waiting[room] = again
        self._push(room, due_s)
        return True

    def pause(self, until_s: float) -> None:
        """Send nothing until then, as a receiver may ask for."""
        self._paused_until_s = max(self._paused_until_s, until_s)

    def hurry(self, now_s: float) -> None:
        """Make all that waits due now, gather nothing any more, and spread nothing over time."""
        self._gather_s, self._is_hurried = 0.0, True
        self._paused_until_s = float("-inf")
        self._due = sorted((now_s, room) for room in self._waiting if room not in self._in_flight)

    def _end(self, delivery: Delivery, now_s: float) -> None:
        room = delivery.change.room
        del self._in_flight[room]
        if room in self._waiting:
            self._push(room, now_s + self._gather_s)

    def _push(self, room: str, due_s: float) -> None:
        heapq.heappush(self._due, (due_s, room))


def _newer(delivery: Delivery, change: Change) -> Delivery:
    """Return a delivery with what is to be told now; with an id of its own, if that is something else."""
    told = latest(change, delivery.change)
    return delivery if told == delivery.change else replace(delivery, id=_new_id(), change=told)


def _new_id() -> str:
    return f"msg_{secrets.token_urlsafe(16)}"
