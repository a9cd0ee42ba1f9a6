"""Times are milliseconds; one without a zone is UTC wherever it is read."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.interchange.times import iso_from_ms, ms_from_date, ms_from_iso


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0), ("1970-01-01 00:00:01", 1000), ("1970-01-02", 86_400_000),
        ("1970-01-01T01:00:00.25+01:00", 250), ("1969-12-31T23:59:59Z", -1000), (" 19700101T000000Z ", 0),
        ("", None), ("soon", None), (7, None), (None, None), ("2026-13-01", None), ("2026-02-30T00:00:00Z", None),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140_000), ("1" * 100, None), ("9999-99-99", None),
    ],
)  # fmt: skip
def test_iso(text: Any, ms: int | None) -> None:
    assert ms_from_iso(text) == ms


@given(
    st.integers(-62_135_596_800_000, 253_402_300_799_999),
    st.sampled_from(["T", " "]),
    st.sampled_from(["Z", "+00:00", ""]),
)
def test_there_and_back(ms: int, separator: str, zone: str) -> None:
    assert ms_from_iso(iso_from_ms(ms, separator=separator, zone=zone)) == ms


@given(st.datetimes())
def test_no_zone_is_utc(moment: datetime) -> None:
    assert ms_from_date(moment) == ms_from_date(moment.replace(tzinfo=UTC))


def test_the_zone_of_the_machine_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ms_from_iso("2026-08-10 14:03:07")
    try:
        monkeypatch.setitem(os.environ, "TZ", "Pacific/Auckland")
        time.tzset()
        assert ms_from_iso("2026-08-10 14:03:07") == before
    finally:
        monkeypatch.undo()
        time.tzset()
