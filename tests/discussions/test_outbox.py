"""What becomes of actions where the network lies: over a real relay, with a transport that loses what comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import SystemRandom

import httpx
import pytest

from crdt_sync.discussions import Discussions, open_discussions
from crdt_sync.sync.loop import Token
from tests.discussions.test_together import all_sent, group_of, posts_when
from tests.relay import RelayProcess
from tests.server.api.tokens import token, token_relay

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with token_relay(tmp_path_factory.mktemp("relay")) as relay:
        yield relay


class Impatient(SystemRandom):
    """Draws ids at random, and the shortest waits."""

    def random(self) -> float:
        return 0.0


class Lossy(httpx.AsyncHTTPTransport):
    """Does with each action what `plan` says next: lose its answer, answer in the relay's place, or nothing."""

    def __init__(self, *plan: str | httpx.Response) -> None:
        super().__init__()
        self.plan = list(plan)
        self.sent: list[bytes] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/discussion"):
            return await super().handle_async_request(request)
        self.sent.append(request.content)
        what = self.plan.pop(0) if self.plan else ""
        if isinstance(what, httpx.Response):
            return what
        answer = await super().handle_async_request(request)
        if what == "lose":
            await answer.aread()
            await answer.aclose()
            raise httpx.ReadError("cut", request=request)
        return answer


@asynccontextmanager
async def opened(
    folder: Path, relay: RelayProcess, group: str, token: Token, transport: Lossy | None = None
) -> AsyncIterator[Discussions]:
    """Open Ada's discussions, over a network that `transport` makes."""
    async with (
        httpx.AsyncClient(transport=transport or Lossy()) as client,
        open_discussions(
            folder / "ada", relay=relay.url, group=group, subject="ada", token=token, client=client, random=Impatient()
        ) as discussions,
    ):
        yield discussions


async def test_an_answer_that_is_lost_or_not_the_relays_ends_in_one_post_in_its_order(
    relay: RelayProcess, tmp_path: Path
) -> None:
    group = group_of(relay)
    in_between = httpx.Response(404, html="<h1>Not Found</h1>")
    portal = httpx.Response(200, json={"welcome": "to the hotel"})
    overloaded = httpx.Response(503, json={"code": "unavailable", "detail": "later"})
    transport = Lossy("lose", "lose", in_between, "lose", portal, overloaded)
    async with opened(tmp_path, relay, group, token("ada"), transport) as ada:
        thread = await ada.open_thread("h", "one")
        await ada.reply(thread, "two")
        await ada.edit(thread, "one, edited")
        assert await ada.sent(60)
        await posts_when(ada, thread, all_sent("one, edited", "two"))
    assert not transport.plan
    orders = list(dict.fromkeys(transport.sent))
    assert len(orders) == 3
    assert transport.sent == sorted(transport.sent, key=orders.index)  # nothing overtook what was sent again
    assert len(transport.sent) == 9


async def test_a_token_that_has_ended_is_asked_for_again_and_nothing_is_refused(
    relay: RelayProcess, tmp_path: Path
) -> None:
    group = group_of(relay)
    asked: list[str] = []

    def fresh() -> str:
        asked.append("")
        return token("ada", exp=1) if len(asked) <= 3 else token("ada")

    async with opened(tmp_path, relay, group, fresh) as ada:
        thread = await ada.open_thread("h", "one")
        with_error = ada.status_changes()
        assert await ada.sent(60)
        assert (await with_error.__anext__()).refused == 0
        ada.reconnect()
        await posts_when(ada, thread, lambda posts: len(posts) == 1)
    assert len(asked) > 3


async def test_what_cannot_be_sent_says_why(relay: RelayProcess, tmp_path: Path) -> None:
    group = group_of(relay)
    old_relay = httpx.Response(
        404, json={"code": "no-such-path", "detail": "there is nothing here"},
        headers={"content-type": "application/problem+json"},
    )  # fmt: skip
    transport = Lossy(*[old_relay] * 50)
    async with opened(tmp_path, relay, group, token("ada"), transport) as ada:
        await ada.open_thread("h", "one")
        async for status in ada.status_changes():
            if status.last_error:
                break
        assert (status.waiting, status.refused) == (1, 0)
        assert "nothing here" in (status.last_error or "")


@pytest.mark.parametrize("is_callable", [False, True])
async def test_a_token_that_was_refused_is_not_shown_for_every_action(
    relay: RelayProcess, tmp_path: Path, is_callable: bool
) -> None:
    """A relay counts refused tokens by address, and somebody writes on."""
    group, ended, transport = group_of(relay), token("ada", exp=1), Lossy()
    tokens = [ended]
    async with opened(tmp_path, relay, group, (lambda: tokens[-1]) if is_callable else ended, transport) as ada:
        thread = await ada.open_thread("h", "0")
        async for status in ada.status_changes():
            if status.last_error:
                break
        for number in range(1, 30):
            await ada.reply(thread, f"{number}")
            ada.reconnect()
            await ada.posts(thread)
        assert (ada.status.waiting, ada.status.refused) == (30, 0), "it waits for a person, and nothing is lost"
        assert len(transport.sent) == 1
        tokens.append(token("ada"))
        if is_callable:
            ada.reconnect()
            assert await ada.sent(60)
            assert len(transport.sent) == 31
