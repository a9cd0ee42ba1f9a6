"""What the tests ask of a page is what they are told: a promise is awaited, and no wait goes on for ever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.e2e.browser import Tab


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Tab]:
    context = chromium.new_context()
    yield Tab(context.new_page(), network_fails=False)
    context.close()


@pytest.mark.parametrize(
    "condition",
    [
        "Promise.resolve(false)",
        "async () => false",
        "(wanted) => Promise.resolve(wanted === 8)",
        "new Promise(() => {})",
        "0",
    ],
)
def test_what_is_not_so_is_never_so(tab: Tab, condition: str) -> None:
    with pytest.raises(AssertionError, match="not within 200 ms"):
        tab.until(condition, 7, within_ms=200)


@pytest.mark.parametrize("condition", ["window.turn === 3", "async () => window.turn === 3"])
def test_what_becomes_so_is_seen(tab: Tab, condition: str) -> None:
    tab.run("window.turn = 0, window.counting = setInterval(() => window.turn < 3 && (window.turn += 1), 30)")
    assert tab.until(condition) is True


def test_the_value_comes_back_and_what_the_page_throws_is_seen(tab: Tab) -> None:
    assert tab.until("async (wanted) => ({ wanted })", "x") == {"wanted": "x"}
    with pytest.raises(Exception, match="nothing"):
        tab.until("nothing.there")
