from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.protocol.messages import (
    Awareness,
    AwarenessEntry,
    Barrier,
    Message,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    Unknown,
)
from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync_server.conduct import Conduct
from crdt_sync_server.limits import Limit, LimitReached, Limits

HERE = Awareness((AwarenessEntry(1, 1, "1"),))
MB = 1024 * 1024


def test_a_library_of_64_mib_comes_in_at_once_and_what_follows_waits_some_seconds() -> None:
    conduct = Conduct(Limits(), 0.0)
    assert conduct.judge([SyncStep2(EMPTY_UPDATE)], 64 * MB, 0.0)[1] == 0
    assert conduct.judge([SyncUpdate(EMPTY_UPDATE)], 64 * MB, 0.0)[1] == pytest.approx(8.0)
    assert conduct.judge([SyncUpdate(EMPTY_UPDATE)], 64 * MB, 8.0)[1] == pytest.approx(8.0)  # less than a gap may stay


def test_edits_and_barriers_are_slowed_and_never_dropped() -> None:
    conduct = Conduct(Limits(updates_per_s=10, updates_burst=5), 0.0)
    said: list[Message] = [SyncUpdate(EMPTY_UPDATE), Barrier(1), Unknown(77, b"")] * 10
    kept, wait_s = conduct.judge(said, 100, 0.0)
    assert kept == said
    assert wait_s == pytest.approx(2.5)
    assert conduct.judge([Barrier(2)], 1, 2.5)[1] == pytest.approx(0.1)


def test_presence_beyond_its_rate_is_dropped_with_a_strike_and_strikes_are_forgiven() -> None:
    conduct = Conduct(Limits(presence_per_s=1, presence_burst=1, strikes=2), 0.0)
    assert conduct.judge([HERE, HERE, Barrier(1), HERE], 10, 0.0)[0] == [HERE, Barrier(1)]
    with pytest.raises(LimitReached) as caught:
        conduct.judge([HERE], 10, 0.0)
    assert caught.value.limit is Limit.STRIKES
    assert caught.value.close_code == 1008
    conduct.judge([HERE, HERE], 10, 60.0)


def test_the_clients_of_a_presence_message_count_each() -> None:
    conduct = Conduct(Limits(presence_burst=10), 0.0)
    many = Awareness(tuple(AwarenessEntry(client, 1, "1") for client in range(11)))
    assert conduct.judge([many, HERE], 10, 0.0)[0] == [HERE]


def test_a_big_presence_ends_the_connection() -> None:
    with pytest.raises(LimitReached) as caught:
        Conduct(Limits(max_presence_bytes=3), 0.0).judge([Awareness((AwarenessEntry(1, 1, '"ö"'),))], 10, 0.0)
    assert caught.value.close_code == 4413


@given(st.integers(1, 50))
def test_questions_are_bounded(burst: int) -> None:
    conduct = Conduct(Limits(questions_burst=burst, questions_per_minute=60), 0.0)
    conduct.judge([SyncStep1(b"\x00")] * burst, 10, 0.0)
    with pytest.raises(LimitReached) as caught:
        conduct.judge([QueryAwareness()], 10, 0.9)
    assert caught.value.limit is Limit.QUESTIONS
