from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from crdt_sync_server.config import Config
from crdt_sync_server.errors import ConfigurationError
from crdt_sync_server.limits import Admission, Budget, Burst, Limit, LimitReached, Limits, TokenBucket

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")

steps = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 50)), max_size=50)


@given(steps, st.floats(0.1, 100), st.floats(1, 100))
def test_no_more_is_taken_than_the_burst_and_the_rate_give(
    steps: list[tuple[float, float]], per_s: float, burst: float
) -> None:
    bucket = TokenBucket(per_s=per_s, burst=burst, now_s=0.0)
    now_s = taken = 0.0
    for passed_s, amount in steps:
        now_s += passed_s
        if bucket.take(amount, now_s):
            taken += amount
        assert taken <= burst + per_s * now_s + 1e-6 * (1 + taken)


@given(steps, st.floats(0.1, 100), st.floats(1, 100))
def test_who_waits_as_told_goes_no_faster_than_the_rate(
    steps: list[tuple[float, float]], per_s: float, burst: float
) -> None:
    bucket = TokenBucket(per_s=per_s, burst=burst, now_s=0.0)
    now_s = paid = 0.0
    for passed_s, amount in steps:
        now_s += passed_s
        wait_s = bucket.pay(amount, now_s)
        paid += amount
        assert wait_s <= amount / per_s + 1e-6  # the debt of this one alone, as the last was waited for
        now_s += wait_s
        assert paid <= burst + per_s * now_s + 1e-6 * (1 + paid)


def test_time_that_runs_backwards_gives_nothing() -> None:
    bucket = TokenBucket(per_s=1, burst=1, now_s=100.0)
    assert bucket.take(1, 100.0)
    assert not bucket.take(1, 50.0)
    assert not bucket.take(1, 100.5)
    assert bucket.take(1, 101.0)


class Shared(RuleBasedStateMachine):
    """An admission and a budget beside a plain count."""

    def __init__(self) -> None:
        super().__init__()
        self.admission = Admission(most=5, most_per_address=3, in_all=Limit.ROOMS, of_address=Limit.ROOMS_PER_ADDRESS)
        self.budget = Budget(100)
        self.here: list[str] = []
        self.held: list[tuple[str, int]] = []

    @rule(address=st.sampled_from("abc"))
    def enter(self, address: str) -> None:
        try:
            self.admission.enter(address)
        except LimitReached as error:
            of_address = self.here.count(address) >= 3
            assert error.limit is (Limit.ROOMS_PER_ADDRESS if of_address else Limit.ROOMS)
            assert of_address or len(self.here) >= 5
        else:
            self.here.append(address)

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if self.here:
            address = data.draw(st.sampled_from(self.here))
            self.here.remove(address)
            self.admission.leave(address)

    @rule(address=st.sampled_from("abc"), size=st.integers(1, 60))
    def take(self, address: str, size: int) -> None:
        fits = sum(size for _, size in self.held) + size <= 100
        fits &= sum(each for who, each in self.held if who == address) + size <= 50
        assert self.budget.take(address, size) == fits
        if fits:
            self.held.append((address, size))

    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        if self.held:
            address, size = data.draw(st.sampled_from(self.held))
            self.held.remove((address, size))
            assert self.budget.take(address, -size)

    @invariant()
    def nothing_is_kept_of_who_is_gone(self) -> None:
        assert set(self.admission._per_address) == set(self.here)
        assert set(self.budget._per_address) == {address for address, _ in self.held}


TestShared = Shared.TestCase


def test_settings_are_names_and_whole_numbers() -> None:
    changed = Limits().changed(["max-rooms=7", "updates_per_s = 9"])
    assert (changed.max_rooms, changed.updates_per_s, changed.max_connections) == (7, 9, Limits().max_connections)
    for wrong in (
        "max-rooms",
        "max-rooms=",
        "max-rooms=x",
        "max-rooms=-1",
        "max-rooms=0",
        "rooms=1",
        "=1",
        f"strikes={10**400}",
        "strikes=" + "9" * 5000,
    ):
        with pytest.raises(ConfigurationError, match="--limit"):
            Limits().changed([wrong])


def test_the_page_lists_every_limit_with_its_code_words_and_defaults() -> None:
    """A row is: name, settings, defaults, close code, log words."""
    rows = {
        cells[0].strip("`"): cells
        for line in PAGE.splitlines()
        if (cells := [c.strip() for c in line.split("|")[1:-1]])
    }
    named: set[str] = set()
    for limit in Limit:
        _, settings, defaults, code, words = rows[limit.name]
        assert code == ("none" if limit.code is None else str(int(limit.code))), limit
        assert words == limit.words
        for setting, default in zip(re.findall(r"`([a-z-]+)`", settings), re.findall(r"[\d,]+", defaults), strict=True):
            name = setting.lstrip("-").replace("-", "_")
            named.add(name)
            source = Limits() if hasattr(Limits(), name) else Config()
            assert int(default.replace(",", "")) == getattr(source, name), setting
    for name, default in re.findall(r"^\| slowed \| `([a-z-]+)` \| ([\d,]+) \|", PAGE, re.MULTILINE):
        named.add(name.replace("-", "_"))
        assert int(default.replace(",", "")) == getattr(Limits(), name.replace("-", "_"))
    assert named >= {field.name for field in fields(Limits)}


def test_an_address_may_be_over_its_bound_for_a_moment() -> None:
    counted = Admission(most=100, most_per_address=10, in_all=Limit.HALF_OPEN, of_address=Limit.HALF_OPEN)
    burst = Burst(counted, most_per_address=3)
    for _ in range(10):
        burst.enter("a", 1.0)
    with pytest.raises(LimitReached):  # that is the bound of a burst
        burst.enter("a", 1.0)
    burst.enter("b", 1.0)
    for _ in range(4):
        burst.leave("a")
    burst.enter("a", 2.0)
    with pytest.raises(LimitReached):  # it lasts
        burst.enter("a", 2.1)
    burst.enter("b", 2.1)
    for _ in range(5):
        burst.leave("a")
    assert counted.of("a") == 2
    for _ in range(8):  # it has been below, so it has another moment
        burst.enter("a", 3.0)
    assert counted.of("a") == 10
