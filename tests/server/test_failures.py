"""Bad tokens by address: how many are let pass, what the one too many is told, and that a good one always comes in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_ws import WebSocketSession, connect_ws
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync_server import failures
from crdt_sync_server.failures import Failures
from crdt_sync_server.limits import Limit, LimitReached
from tests.poller import Poller
from tests.relay import RelayProcess
from tests.server.operating import tell
from tests.server.test_authentication import close_of


def refused(limiter: Failures, address: str | None, now_s: float) -> int | None:
    """Return after how many seconds to come back, or None if it was only counted."""
    try:
        limiter.count(address, now_s)
    except LimitReached as error:
        assert error.limit is Limit.FAILURES
        return error.retry_after_s
    return None


def test_a_burst_passes_then_a_rate() -> None:
    limiter = Failures(per_minute=10, burst=3)
    assert [refused(limiter, "10.0.0.1", 0.0) for _ in range(4)] == [None, None, None, 6]
    assert refused(limiter, "10.0.0.2", 0.0) is None, "each address has its own"
    assert [refused(limiter, "10.0.0.1", 6.0) for _ in range(2)] == [None, 6]


def test_one_ipv6_network_is_one_who_asks() -> None:
    limiter = Failures(per_minute=10, burst=1)
    assert refused(limiter, "2001:db8:1:2::1", 0.0) is None
    assert refused(limiter, "2001:db8:1:2:ffff::9%eth0", 0.0) == 6
    assert refused(limiter, "2001:db8:1:3::1", 0.0) is None
    assert [refused(limiter, each, 0.0) for each in (None, None, "unix")] == [None, 6, None]


def test_no_more_addresses_are_remembered_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "MAX_ADDRESSES", 2)
    limiter = Failures(per_minute=10, burst=1)
    for address in ("a", "b", "a", "c"):  # `b` failed longest ago when `c` comes
        refused(limiter, address, 0.0)
    assert refused(limiter, "a", 0.0) == 6
    assert refused(limiter, "b", 0.0) is None


@given(st.lists(st.tuples(st.sampled_from(["10.0.0.1", "::1", None]), st.floats(0, 5)), max_size=60))
def test_no_address_gets_more_than_its_burst_and_rate(events: list[tuple[str | None, float]]) -> None:
    limiter = Failures(per_minute=60, burst=3)
    now_s, passed = 0.0, {}
    for address, later_s in events:
        now_s += later_s
        passed[address] = passed.get(address, 0) + (refused(limiter, address, now_s) is None)
        assert passed[address] <= 3 + now_s + 1e-6


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[RelayProcess]:
    limits = ("--limit", "failures-burst=3", "--limit", "failures-per-minute=1")
    with RelayProcess(tmp_path, "--auth", "static", *limits) as relay:
        yield relay


def test_who_guesses_is_told_to_slow_down_and_who_knows_comes_in(relay: RelayProcess, tmp_path: Path) -> None:
    token = tell(tmp_path, "tokens", "create", "ada")["token"]
    guesses = [f"crdt_{'guess' * 8}{number}" for number in range(5)]
    codes = [close_of(relay, "u/ada", guess)[0] for guess in guesses]
    assert codes == [4401, 4401, 4401, 1008, 1008]
    assert [close_of(relay, "u/ada", None)[0] for _ in range(3)] == [4401] * 3, "who brings none has guessed nothing"
    headers = {"authorization": f"Bearer {guesses[0]}"}
    with Poller(relay.url, "u/ada", headers=headers) as poller:
        answer: Any = poller.post(poller.next_poll())
        assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (429, "60", 1008)
    session: WebSocketSession
    with (
        httpx.Client(headers={"authorization": f"Bearer {token}"}) as client,
        connect_ws(f"{relay.url.replace('ws', 'http')}/u/ada", client) as session,
    ):
        assert session.receive_bytes(timeout=20)[:2] == b"\x00\x00", "step 1"
    lines = "".join(relay.output)
    assert "limit=FAILURES" in lines
    assert not [guess for guess in [*guesses, token] if guess in lines]
