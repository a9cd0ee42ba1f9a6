"""When a token is renewed, and what a callable may answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.errors import ConnectionLost
from crdt_sync.sync.credentials import AGAIN_AFTER_S, MARGIN_S, Credentials, renew_after_s


@pytest.mark.parametrize(("left_s", "after_s"), [(3600, 3540), (60, 45), (240, 180), (8, 6), (1, 5), (-9, 5)])
def test_it_is_asked_for_in_time_and_never_at_once(left_s: float, after_s: float) -> None:
    assert renew_after_s(left_s) == after_s


@given(st.floats(min_value=-1e9, max_value=1e9))
def test_there_is_time_left_to_ask_again(left_s: float) -> None:
    after_s = renew_after_s(left_s)
    assert after_s >= AGAIN_AFTER_S
    if left_s >= 20:
        assert 0 < left_s - after_s <= MARGIN_S


@pytest.mark.anyio
async def test_fresh_is_only_what_the_relay_was_not_shown() -> None:
    answers: list[object] = ["a", "b", None, OSError("no network"), OSError("no network")]

    def token() -> str | None:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]

    credentials = Credentials(token)
    credentials.shown = "a"
    assert [await credentials.fresh() for _ in range(4)] == [None, "b", None, None]
    with pytest.raises(ConnectionLost, match="no token could be had: no network"):
        await credentials.ask()
    assert await Credentials("fixed").ask() == "fixed"
    assert not Credentials("fixed").is_callable
