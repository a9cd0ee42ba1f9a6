"""The token of many requests: against a real relay and its real limit of bad tokens, and where the network fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from crdt_sync.errors import ConnectionLost, SharingError, SignInNeeded
from crdt_sync.sharing import Groups, open_groups
from crdt_sync.sync.bearer import MAX_AT_ONCE, Bearer
from tests.blocking.waiting import frozen
from tests.relay import RelayProcess
from tests.server.api.tokens import client_of, token, token_relay

pytestmark = pytest.mark.anyio
CALLS = 100
BURST = 20
"""How many bad tokens a relay takes of one address at once; there is one more every six seconds."""


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[RelayProcess]:
    with token_relay(tmp_path, "--jwt-leeway", "0") as relay:
        yield relay


class Source:
    """A token callable that gives one after the other, and the last again and again."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = tokens
        self.asked = 0

    async def __call__(self) -> str:
        await anyio.lowlevel.checkpoint()
        self.asked += 1
        return self._tokens[min(self.asked, len(self._tokens)) - 1]


async def outcomes(groups: Groups) -> list[str]:
    """Ask 100 times at once; return what became of each: the subject, or the error's name."""
    found: list[str] = []

    async def ask() -> None:
        try:
            found.append(str((await groups.me()).subject))
        except SharingError as error:
            found.append(type(error).__name__)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(CALLS):
                tasks.start_soon(ask)
    return found


def refusals_left(relay: RelayProcess) -> int:
    """Bring bad tokens until the relay says that these are too many; return how many it took."""
    with client_of(relay, None, authorization=f"Bearer {token('ada', exp=1)}") as client:
        for taken in range(BURST + 10):
            if (status := client.get("/me").status_code) == 429:
                return taken
            assert status == 401
    raise AssertionError("it has no limit")


async def test_one_request_finds_out_that_a_token_has_ended_and_all_go_with_the_next(relay: RelayProcess) -> None:
    source = Source(token("ada", exp=1), token("ada"))
    async with open_groups(relay.url, token=source) as groups:
        assert await outcomes(groups) == ["ada"] * CALLS
    assert source.asked == 2
    assert refusals_left(relay) >= BURST - 1


async def test_a_token_that_ends_amid_many_requests_is_refused_a_few_times_and_renewed_once(
    relay: RelayProcess,
) -> None:
    ends_s = int(time.time()) + 2
    source = Source(token("ada", exp=ends_s), token("ada"))
    async with open_groups(relay.url, token=source) as groups:
        assert (await groups.me()).subject == "ada"
        await anyio.sleep(max(ends_s + 0.1 - time.time(), 0))
        found: list[str] = []

        async def ask() -> None:
            found.extend(await outcomes(groups))

        async with anyio.create_task_group() as tasks:
            with frozen(relay.pid):  # nobody has an answer before all that may be under way are
                tasks.start_soon(ask)
                await anyio.wait_all_tasks_blocked()
        assert found == ["ada"] * CALLS
    assert source.asked == 2
    assert refusals_left(relay) >= BURST - MAX_AT_ONCE


async def test_tokens_that_stay_bad_are_shown_once_each_and_everybody_is_told(relay: RelayProcess) -> None:
    source = Source(token("ada", exp=1), token("ada", exp=2))
    async with open_groups(relay.url, token=source) as groups:
        assert await outcomes(groups) == ["SignInNeeded"] * CALLS
        assert source.asked == 2
        with pytest.raises(SignInNeeded):
            await groups.me()
        assert source.asked == 3, "who comes later asks again, and gets what is known to be refused"
    async with open_groups(relay.url, token=token("ada", exp=3)) as groups:
        assert await outcomes(groups) == ["SignInNeeded"] * CALLS
    assert refusals_left(relay) >= BURST - 3


async def test_who_signs_in_later_is_known_again(relay: RelayProcess) -> None:
    source = Source(token("ada", exp=1), token("ada", exp=1), token("ada"))
    async with open_groups(relay.url, token=source) as groups:
        assert await outcomes(groups) == ["SignInNeeded"] * CALLS
        assert await outcomes(groups) == ["ada"] * CALLS
    assert source.asked == 3


async def test_a_callable_that_fails_is_asked_once_for_all_who_wait() -> None:
    asked = 0

    def broken() -> str:
        nonlocal asked
        asked += 1
        raise OSError("no keyring")

    async def request(shown: str | None) -> int:
        raise AssertionError("there is no token")

    bearer = Bearer[int](broken, lambda status: status == 401)
    failures: list[str] = []

    async def send() -> None:
        with pytest.raises(ConnectionLost, match="no keyring") as caught:
            await bearer.send(request)
        failures.append(str(caught.value))

    for expected in (1, 2):
        async with anyio.create_task_group() as tasks:
            for _ in range(CALLS):
                tasks.start_soon(send)
        assert asked == expected
    assert len(failures) == 2 * CALLS


@pytest.mark.parametrize("trouble", ["an error", "a cancellation"])
async def test_who_waits_for_the_first_request_goes_on_when_that_has_no_answer(trouble: str) -> None:
    """And does not wait for one failure after the other, where the relay cannot be reached at all."""
    bearer = Bearer[int]("good", lambda status: status == 401)
    begun = anyio.Event()
    answers: list[int] = []
    scope = anyio.CancelScope()

    async def first(shown: str | None) -> int:
        begun.set()
        if trouble == "an error":
            await anyio.lowlevel.checkpoint()
            raise ConnectionLost("cut")
        await anyio.sleep_forever()
        raise AssertionError

    async def go_first() -> None:
        with scope:
            try:
                await bearer.send(first)
            except ConnectionLost:
                return

    async def follow() -> None:
        async def answer(shown: str | None) -> int:
            assert shown == "good"
            return 200

        answers.append(await bearer.send(answer))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(go_first)
            await begun.wait()
            for _ in range(3):
                tasks.start_soon(follow)
            if trouble == "a cancellation":
                scope.cancel()
    assert answers == [200] * 3
