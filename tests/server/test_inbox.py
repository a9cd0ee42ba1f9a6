"""What waits for a room's turns: in order, in shares, and bounded for each peer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.protocol.messages import Barrier
from crdt_sync_server.inbox import MAX_INBOX_BYTES_PER_PEER, MAX_TURN_BYTES, Inbox
from crdt_sync_server.turn import Joined, Received

sizes = st.sampled_from([1, 400, MAX_TURN_BYTES // 2, MAX_TURN_BYTES, MAX_INBOX_BYTES_PER_PEER // 2 + 1])


@given(st.lists(st.tuples(st.sampled_from("abc"), sizes, st.integers(1, 3)) | st.sampled_from(["take", "join"])))
def test_everything_comes_out_once_in_order_and_a_share_at_a_time(steps: list[tuple[str, int, int] | str]) -> None:
    """Who may say no more is called once half of its bound is free, and what waits is counted truly."""
    inbox: Inbox[str] = Inbox()
    offered: list[object] = []
    taken: list[object] = []
    waiting = dict.fromkeys("abc", 0)
    held: set[str] = set()
    bytes_of: dict[object, int] = {}  # of the last message of what was said at once

    def take() -> None:
        arrivals, size_bytes = inbox.take()
        assert bool(arrivals) is (len(taken) < len(offered))
        sizes_taken = [bytes_of.get(each, 0) for each in arrivals]
        assert size_bytes == sum(sizes_taken)
        assert sum(sizes_taken[:-1]) < MAX_TURN_BYTES
        for arrival, taken_bytes in zip(arrivals, sizes_taken, strict=True):
            waiting[arrival.peer] -= taken_bytes
        taken.extend(arrivals)
        assert held == {peer for peer in held if waiting[peer] * 2 > MAX_INBOX_BYTES_PER_PEER}

    for number, step in enumerate(steps):
        if step == "take":
            take()
        elif isinstance(step, str):
            offered.append(Joined("a", None, False, number))
            inbox.put(offered[-1])  # type: ignore[arg-type]
        else:
            peer, size_bytes, count = step
            if peer in held:
                continue
            messages = [Barrier(number * 10 + index) for index in range(count)]
            may_go_on = inbox.offer(peer, messages, size_bytes)
            offered += [Received(peer, message) for message in messages]
            bytes_of[offered[-1]] = size_bytes
            waiting[peer] += size_bytes
            assert may_go_on is (waiting[peer] <= MAX_INBOX_BYTES_PER_PEER)
            if not may_go_on:
                held.add(peer)
                inbox.when_taken(peer, lambda peer=peer: held.remove(peer))  # type: ignore[misc]
        assert inbox.size_bytes == sum(waiting.values())
    while inbox:
        take()
    assert taken == offered
    assert not held
