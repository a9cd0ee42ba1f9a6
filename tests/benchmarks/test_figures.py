"""Spreads, medians and ratios of measurements."""

from __future__ import annotations

from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import medians, ratio, rounded, spread


@given(st.lists(st.floats(0, 1e4), min_size=2))
def test_a_spread_is_in_order_and_within_what_was_measured(seconds: list[float]) -> None:
    figures = spread(seconds)
    assert min(seconds) * 1e3 <= figures["p99_ms"] <= figures["max_ms"] == max(seconds) * 1e3
    assert figures["p50_ms"] <= figures["max_ms"]


def test_the_spread_of_a_thousand() -> None:
    figures = spread([number / 1e3 for number in range(1, 1001)])
    assert figures["p50_ms"] == pytest.approx(500.5)
    assert figures["p99_ms"] == pytest.approx(991, abs=1)
    assert figures["max_ms"] == 1000


def test_the_spread_of_one_is_not_a_number() -> None:
    assert all(isnan(value) for value in spread([1.0]).values())


def test_medians_are_of_the_rounds_that_finished() -> None:
    reports = [{"finished": True, "s": 1.0}, {"finished": True, "s": 3.0}, {"finished": False, "s": 99.0, "error": "x"}]
    assert medians(reports) == {"rounds": 3, "finished": 2, "s": 2.0}


def test_where_none_finished_the_medians_are_of_what_was_there() -> None:
    assert medians([{"finished": False, "synced": 55}]) == {"rounds": 1, "finished": 0, "synced": 55}


def test_a_figure_that_only_a_later_round_has_is_not_lost() -> None:
    assert medians([{"finished": False}, {"finished": True, "s": 2.0}]) == {"rounds": 2, "finished": 1, "s": 2.0}


@pytest.mark.parametrize(
    ("ours", "theirs", "text"), [(10, 4, "2.5×"), (1, 4, "0.25×"), (2958, 1, "2,958×"), (1, 0, "–"), (20, 2, "10×")]
)
def test_ratios(ours: float, theirs: float, text: str) -> None:
    assert ratio(ours, theirs) == text


def test_rounding_keeps_significant_digits() -> None:
    assert rounded(123456.0) == 123000.0
    assert rounded(0.00123456) == 0.00123
