"""What waits for one webhook, on a clock of our own."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from crdt_sync_server.changes import Change, Changes, Event, latest
from crdt_sync_server.webhook_queue import (
    CALLS_PER_S,
    MOST_IN_FLIGHT,
    Delivery,
    WebhookBounds,
    WebhookQueue,
    retry_delay_s,
)

BOUNDS = WebhookBounds(gather_s=5, give_up_s=100, most_waiting=4)


def changed(version: int, room: str = "a") -> Change:
    return Change(room, Event.CHANGED, version * 1000, version)


def deleted(room: str = "a", at_ms: int = 1) -> Change:
    return Change(room, Event.DELETED, at_ms)


def test_changes_of_a_room_are_one_delivery_some_seconds_after_the_first() -> None:
    queue = WebhookQueue(BOUNDS)
    for number in range(50):
        assert queue.put(changed(number), number / 10)
        assert queue.take(number / 10) is None
    delivery = queue.take(5)
    assert delivery is not None
    assert delivery.change == changed(49)
    assert queue.take(1e9) is None


def test_what_changes_while_it_is_told_is_told_afterwards() -> None:
    queue = WebhookQueue(BOUNDS)
    queue.put(changed(1), 0)
    first = queue.take(5)
    assert first is not None
    queue.put(changed(2), 6)
    assert queue.take(1000) is None, "one of a room is in flight at most"
    queue.done(first, 20)
    assert queue.take(24.9) is None
    second = queue.take(25)
    assert second is not None
    assert second.change == changed(2)
    assert second.id != first.id


def test_a_delivery_that_fails_is_the_same_until_there_is_something_newer() -> None:
    queue = WebhookQueue(BOUNDS)
    queue.put(changed(1), 0)
    first = queue.take(5)
    assert first is not None
    assert queue.failed(first, 5, lambda: 0.0)
    assert queue.take(5.9) is None
    again = queue.take(6)
    assert again is not None
    assert (again.id, again.change, again.attempts) == (first.id, first.change, 1)
    queue.put(changed(2), 6)
    assert queue.failed(again, 6, lambda: 0.0)
    newer = queue.take(8)
    assert newer is not None
    assert newer.id != first.id
    assert (newer.change, newer.attempts, newer.since_s) == (changed(2), 2, 0)


def test_it_is_given_up_in_the_end_and_what_came_meanwhile_begins_anew() -> None:
    queue = WebhookQueue(BOUNDS)
    queue.put(changed(1), 0)
    now_s, tried = 5.0, 0
    while (delivery := queue.take(now_s)) is not None:
        tried += 1
        queue.put(changed(1 + tried), now_s)
        if not queue.failed(delivery, now_s, lambda: 0.5):
            break
        now_s += 80
    assert 2 <= tried <= 3
    assert len(queue) == 1
    fresh = queue.take(now_s + 8)
    assert fresh is not None
    assert (fresh.attempts, fresh.change) == (0, changed(1 + tried))


def test_a_receiver_that_asks_for_a_pause_gets_it() -> None:
    queue = WebhookQueue(BOUNDS)
    queue.put(changed(1), 0)
    queue.pause(30)
    queue.pause(20)
    assert queue.take(29) is None
    assert queue.take(30) is not None


def test_a_receiver_that_is_down_is_asked_by_few_and_one_that_is_back_by_all() -> None:
    """A thousand rooms wait for ten minutes; those that are in flight together are one failure."""
    queue = WebhookQueue(WebhookBounds(gather_s=0, give_up_s=1e9))
    for number in range(1000):
        queue.put(changed(1, f"{number}"), 0)
    now_s, asked = 0.0, 0
    while now_s < 600:
        while flight := [each for _ in range(MOST_IN_FLIGHT) if (each := queue.take(now_s)) is not None]:
            asked += len(flight)
            for delivery in flight:
                assert queue.failed(delivery, now_s, lambda: 0.0)
        now_s += 1
    assert 9 * MOST_IN_FLIGHT <= asked <= 12 * MOST_IN_FLIGHT, "after 1, 2, 4 … 150 s"
    now_s += 300
    for _ in range(1000 // CALLS_PER_S):
        for _ in range(CALLS_PER_S):
            one = queue.take(now_s)
            assert one is not None
            queue.done(one, now_s)
        assert queue.take(now_s) is None, "thousands that are due are spread over time"
        now_s += 1
    assert len(queue) == 0


def test_a_room_that_fails_alone_holds_up_the_others_for_a_moment() -> None:
    queue = WebhookQueue(WebhookBounds(gather_s=0, give_up_s=1e9))
    queue.put(changed(1, "bad"), 0)
    now_s = 0.0
    for version in range(1, 50):
        queue.put(changed(version, "good"), now_s)
        waited_s = 0
        told = False
        while not told:
            while (delivery := queue.take(now_s + waited_s)) is not None:
                if delivery.change.room == "bad":
                    queue.failed(delivery, now_s + waited_s, lambda: 1.0)
                else:
                    queue.done(delivery, now_s + waited_s)
                    told = True
            waited_s += 1
        assert waited_s <= 3
        now_s += 10


def test_so_many_rooms_wait_and_no_more() -> None:
    queue = WebhookQueue(BOUNDS)
    assert [queue.put(changed(1, room), 0) for room in "abcde"] == [True, True, True, True, False]
    assert queue.put(changed(2, "a"), 0), "one that waits already takes no more place"


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_delays_grow_to_five_minutes_and_half_of_each_is_chance(attempts: int, chance: float) -> None:
    ceiling_s = min(2.0 ** min(attempts, 20), 300)
    assert ceiling_s / 2 <= retry_delay_s(attempts, lambda: chance) <= ceiling_s


@given(st.lists(st.one_of(st.integers(1, 9).map(changed), st.integers(0, 9).map(lambda at: deleted("a", at)))))
def test_what_is_told_does_not_hang_on_the_order(changes: list[Change]) -> None:
    """The newest version, and a deletion before all: no room comes back."""
    told = None
    for change in changes:
        told = change if told is None else latest(told, change)
    if told is None:
        return
    if any(each.event is Event.DELETED for each in changes):
        assert told.event is Event.DELETED
    else:
        assert told.version == max(each.version or 0 for each in changes)


class QueueMachine(RuleBasedStateMachine):
    """However it goes, the last of every room is told or given up, in order, one at a time, within the bounds."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = WebhookQueue(WebhookBounds(gather_s=5, give_up_s=1e9, most_waiting=3))
        self.now_s = 0.0
        self.version = 0
        self.owed: dict[str, int] = {}  # room → the newest version that was taken in
        self.told: dict[str, int] = {}
        self.sent: dict[str, Delivery] = {}
        self.random = random.Random(1)

    @rule(room=st.sampled_from("abcde"))
    def change(self, room: str) -> None:
        self.version += 1
        if self.queue.put(changed(self.version, room), self.now_s):
            self.owed[room] = self.version

    @rule(seconds=st.integers(1, 400))
    def time(self, seconds: int) -> None:
        self.now_s += seconds

    @rule()
    def take(self) -> None:
        delivery = self.queue.take(self.now_s)
        if delivery is not None:
            room = delivery.change.room
            assert room not in self.sent
            assert (delivery.change.version or 0) > self.told.get(room, 0), "nothing is told twice once it was taken"
            self.sent[room] = delivery

    @precondition(lambda self: self.sent)
    @rule(works=st.booleans(), which=st.randoms(use_true_random=False))
    def answer(self, works: bool, which: random.Random) -> None:
        room = which.choice(sorted(self.sent))
        delivery = self.sent.pop(room)
        if works:
            self.queue.done(delivery, self.now_s)
            self.told[room] = delivery.change.version or 0
        else:
            assert self.queue.failed(delivery, self.now_s, self.random.random)

    @invariant()
    def bounds_hold(self) -> None:
        assert len(self.sent) <= MOST_IN_FLIGHT
        assert len(self.queue) <= 3 + MOST_IN_FLIGHT

    def teardown(self) -> None:
        for room in list(self.sent):
            self.queue.failed(self.sent.pop(room), self.now_s, self.random.random)
        while len(self.queue):
            self.queue.hurry(self.now_s)
            delivery = self.queue.take(self.now_s)
            assert delivery is not None
            self.queue.done(delivery, self.now_s)
            self.told[delivery.change.room] = delivery.change.version or 0
        assert self.told == self.owed


TestQueue = QueueMachine.TestCase


def test_a_turn_marks_a_room_only_while_somebody_wants_to_hear() -> None:
    changes = Changes(lambda: 7.5)
    changes.changed("a", 1)
    changes.deleted("a")
    assert changes.is_empty
    changes.wanted = True
    changes.changed("a", 1)
    changes.changed("b", 1)
    changes.changed("a", 2)
    changes.deleted("b")
    assert not changes.is_empty
    assert changes.take() == [Change("a", Event.CHANGED, 7500, 2), Change("b", Event.DELETED, 7500)]
    assert changes.take() == []


def test_marks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crdt_sync_server.changes.MAX_MARKED", 2)
    changes = Changes(lambda: 0)
    changes.wanted = True
    for room in "abca":
        changes.changed(room, 1)
    assert [each.room for each in changes.take()] == ["a", "b"]
    assert changes.lost == 1
