from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.protocol.backoff import backoff

CEILINGS_S = [1, 2, 4, 8, 16, 16, 16]


def test_the_ceiling_doubles_to_sixteen_seconds() -> None:
    assert list(islice(backoff(lambda: 0.5), 7)) == [ceiling / 2 for ceiling in CEILINGS_S]


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=7, max_size=7))
def test_full_jitter(draws: list[float]) -> None:
    delays = list(islice(backoff(iter(draws).__next__), 7))
    assert all(0 <= delay <= ceiling for delay, ceiling in zip(delays, CEILINGS_S, strict=True))
