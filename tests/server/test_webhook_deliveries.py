"""Deliveries to real receivers that are slow, down, fail, redirect or answer without end, on a clock of our own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import pytest

from crdt_sync_server import posting, webhook_deliveries
from crdt_sync_server.changes import Changes
from crdt_sync_server.errors import StoreError
from crdt_sync_server.metrics import Metrics
from crdt_sync_server.posting import HttpPoster
from crdt_sync_server.stores.memory_webhooks import MemoryWebhooks
from crdt_sync_server.webhook_deliveries import Deliveries
from crdt_sync_server.webhook_queue import MOST_IN_FLIGHT, WebhookBounds
from crdt_sync_server.webhooks import Webhook, new_webhook, shown_secret
from tests.server.receiver import WAIT_S, Receiver, nobody_s_port, receiver

pytestmark = pytest.mark.anyio
GATHER_S = 5.0


class Desk:
    """Deliveries whose clock and looks are the test's."""

    def __init__(self, bounds: WebhookBounds | None = None) -> None:
        self.now_s = 1000.0
        self.hooks = MemoryWebhooks()
        self.changes = Changes(lambda: 1_700_000_000.0)
        self.metrics = Metrics()
        self.deliveries = Deliveries(
            self.hooks,
            self.changes,
            HttpPoster(),
            self.metrics,
            bounds=bounds or WebhookBounds(gather_s=GATHER_S),
            now=lambda: self.now_s,
            wall=lambda: 1_700_000_000.0 + self.now_s,
            random=lambda: 0.0,
        )

    async def add(self, url: str, *, room: str | None = None, under: str | None = None) -> Webhook:
        hook = new_webhook(url, room=room, under=under, made_ms=1)
        await self.deliveries.add(hook)
        return hook

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, and what is due then be sent."""
        await self.deliveries.look()
        self.now_s += seconds
        await self.deliveries.look()

    async def until(self, **counts: int) -> None:
        """Wait until so many deliveries came to this."""
        with anyio.fail_after(WAIT_S):
            while any(self.metrics.webhooks[name] < count for name, count in counts.items()):  # noqa: ASYNC110
                await anyio.sleep(0.005)
        assert {name: self.metrics.webhooks[name] for name in counts} == counts


@pytest.fixture
def receiver_() -> Iterator[Receiver]:
    with receiver() as here:
        yield here


@pytest.fixture(autouse=True)
def nobody_looks_but_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_deliveries, "LOOK_EVERY_S", 3600.0)


@asynccontextmanager
async def running(bounds: WebhookBounds | None = None) -> AsyncIterator[Desk]:
    desk = Desk(bounds)
    async with desk.deliveries.running():
        yield desk


async def test_what_is_told_is_signed_and_holds_no_content(receiver_: Receiver) -> None:
    async with running() as desk:
        hook = await desk.add(f"{receiver_.url}/in?x=1", under="u/ada")
        for number in range(20):
            desk.changes.changed("u/ada/Zoë 🐢", number)
        desk.changes.changed("u/adam", 1)
        await desk.pass_time(GATHER_S)
        await desk.until(delivered=1)
    (heard,) = receiver_.heard
    assert heard.path == "/in?x=1"
    assert heard.is_signed_with(shown_secret(hook))
    assert not heard.is_signed_with(shown_secret(new_webhook("", room=None, under=None, made_ms=0)))
    assert heard.headers["webhook-timestamp"] == str(1_700_000_000 + 1005)
    assert heard.told == {
        "id": heard.headers["webhook-id"],
        "room": "u/ada/Zoë 🐢",
        "event": "changed",
        "at_ms": 1_700_000_000_000,
        "version": 19,
    }


async def test_500_then_429_then_200_is_one_delivery_told_three_times(receiver_: Receiver) -> None:
    """After 1 and 2 s, as chance has it, and not before; the id stays, as what is told does."""
    receiver_.answers = [(500, {}, b"oh"), (429, {}, b""), (200, {}, b"ok")]
    async with running() as desk:
        hook = await desk.add(receiver_.url)
        desk.changes.changed("a", 1)
        await desk.pass_time(GATHER_S)
        await desk.until(retried=1)
        await desk.pass_time(0.9)
        assert len(receiver_.heard) == 1
        await desk.pass_time(0.1)
        await desk.until(retried=2)
        await desk.pass_time(1.9)
        assert len(receiver_.heard) == 2
        await desk.pass_time(0.1)
        await desk.until(delivered=1, retried=2, given_up=0)
        assert desk.deliveries.waiting() == 0
    assert len({heard.body for heard in receiver_.heard}) == 1
    assert len({heard.headers["webhook-signature"] for heard in receiver_.heard}) == 3, "each has a time of its own"
    assert all(heard.is_signed_with(shown_secret(hook)) for heard in receiver_.heard)


async def test_a_receiver_that_is_down_is_found_again(caplog: pytest.LogCaptureFixture) -> None:
    port = nobody_s_port()
    async with running() as desk:
        await desk.add(f"http://127.0.0.1:{port}")
        desk.changes.changed("a", 1)
        await desk.pass_time(GATHER_S)
        await desk.until(retried=1)
        desk.changes.changed("a", 2)
        await desk.deliveries.look()
        with receiver(port) as here:
            await desk.pass_time(300)
            await desk.until(delivered=1)
            assert [heard.told["version"] for heard in here.heard] == [2]
    told = [record.getMessage() for record in caplog.records]
    assert sum("do=fails" in line for line in told) == 1


async def test_a_receiver_that_stays_down_is_given_up_and_that_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async with running(WebhookBounds(gather_s=1, give_up_s=20)) as desk:
        hook = await desk.add(f"http://127.0.0.1:{nobody_s_port()}")
        desk.changes.changed("a room", 1)
        await desk.pass_time(1)
        for retried in range(1, 5):
            await desk.until(retried=retried)
            await desk.pass_time(2.0 ** (retried - 1))
        await desk.until(retried=4, given_up=1)
        assert desk.deliveries.waiting() == 0
    assert f"webhook do='give up' id={hook.id} room='a room' reason=" in caplog.text


@pytest.mark.parametrize("status", [302, 307, 400, 404, 410])
async def test_a_redirect_is_not_followed_and_a_refusal_is_not_repeated(status: int, receiver_: Receiver) -> None:
    receiver_.answers = [(status, {"location": f"{receiver_.url}/elsewhere", "set-cookie": "a=b"}, b"")]
    async with running() as desk:
        await desk.add(f"{receiver_.url}/in")
        desk.changes.changed("a", 1)
        await desk.pass_time(GATHER_S)
        await desk.until(given_up=1, retried=0)
        desk.changes.changed("a", 2)
        await desk.pass_time(GATHER_S)
        await desk.until(given_up=2)
    assert [heard.path for heard in receiver_.heard] == ["/in", "/in"]
    assert all("cookie" not in heard.headers for heard in receiver_.heard)


async def test_of_an_endless_answer_a_little_is_read(receiver_: Receiver) -> None:
    receiver_.answers = [(200, {"content-length": str(10**12)}, b"x" * 10_000_000), (204, {}, b"")]
    async with running() as desk:
        await desk.add(receiver_.url)
        for version in (1, 2):
            desk.changes.changed("a", version)
            await desk.pass_time(GATHER_S)
            await desk.until(delivered=version, retried=0)


async def test_a_head_without_end_is_a_failure() -> None:
    """Raw: a line of a header that never ends."""

    async def talk(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            with anyio.move_on_after(WAIT_S):
                try:
                    await stream.send(b"HTTP/1.1 200 OK\r\nx: ")
                    while True:
                        await stream.send(b"x" * 65536)
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    return

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, running() as desk, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, talk)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        await desk.add(f"http://127.0.0.1:{port}")
        desk.changes.changed("a", 1)
        await desk.pass_time(GATHER_S)
        await desk.until(retried=1)
        tasks.cancel_scope.cancel()


async def test_a_slow_receiver_holds_up_no_other_and_is_called_by_few_at_once(receiver_: Receiver) -> None:
    with receiver() as slow:
        slow.goes_on.clear()
        async with running() as desk:
            await desk.add(slow.url)
            await desk.add(receiver_.url)
            for number in range(40):
                desk.changes.changed(f"room {number}", 1)
            await desk.pass_time(GATHER_S)
            await desk.until(delivered=40)
            await anyio.to_thread.run_sync(slow.until, lambda heard: len(heard) == MOST_IN_FLIGHT)
            assert desk.deliveries.waiting() == 40
            assert len(receiver_.heard) == 40
            slow.goes_on.set()
            await desk.until(delivered=80)
        assert slow.most_open == MOST_IN_FLIGHT


async def test_a_receiver_that_does_not_answer_is_not_waited_for(
    receiver_: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "POST_WITHIN_S", 0.2)
    receiver_.goes_on.clear()
    async with running() as desk:
        await desk.add(receiver_.url)
        desk.changes.changed("a", 1)
        await desk.pass_time(GATHER_S)
        await desk.until(retried=1)


async def test_a_receiver_may_ask_for_a_pause(receiver_: Receiver) -> None:
    receiver_.answers = [(503, {"retry-after": "60"}, b""), (204, {}, b"")]
    async with running() as desk:
        await desk.add(receiver_.url)
        desk.changes.changed("a", 1)
        await desk.pass_time(GATHER_S)
        await desk.until(retried=1)
        desk.changes.changed("b", 1)
        await desk.pass_time(59.9)
        assert len(receiver_.heard) == 1
        await desk.pass_time(0.2)
        await desk.until(delivered=2)


async def test_rooms_above_the_bound_are_dropped_and_that_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    async with running(WebhookBounds(gather_s=GATHER_S, most_waiting=3)) as desk:
        await desk.add("http://127.0.0.1:1")
        for number in range(10):
            desk.changes.changed(f"room {number}", 1)
        await desk.deliveries.look()
        await desk.until(dropped=7)
        assert desk.deliveries.waiting() == 3
        desk.changes.changed("one more", 1)
        await desk.deliveries.look()
        await desk.until(dropped=8)
    assert caplog.text.count("webhooks dropped") == 1


async def test_stopping_tries_once_more_what_waits_and_no_more_than_that(receiver_: Receiver) -> None:
    async with running() as desk:
        await desk.add(receiver_.url)
        await desk.add(f"http://127.0.0.1:{nobody_s_port()}")
        for number in range(20):
            desk.changes.changed(f"room {number}", 1)
        with anyio.fail_after(WAIT_S):
            await desk.deliveries.finish()
        await desk.until(delivered=20, given_up=20, retried=0)
    assert len(receiver_.heard) == 20


async def test_stopping_does_not_wait_for_a_receiver_that_is_slow(
    receiver_: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_deliveries, "FINISH_WITHIN_S", 0.5)
    receiver_.goes_on.clear()
    async with running() as desk:
        await desk.add(receiver_.url)
        for number in range(10):
            desk.changes.changed(f"room {number}", 1)
        await desk.pass_time(GATHER_S)
        await anyio.to_thread.run_sync(receiver_.until, lambda heard: len(heard) == MOST_IN_FLIGHT)
        began_s = time.monotonic()
        await desk.deliveries.finish()
        await desk.until(delivered=0, given_up=10)
        assert time.monotonic() - began_s < 5
    assert len(receiver_.heard) == MOST_IN_FLIGHT


async def test_a_webhook_that_was_removed_hears_no_more(receiver_: Receiver) -> None:
    async with running() as desk:
        hook = await desk.add(receiver_.url)
        desk.changes.changed("a", 1)
        await desk.deliveries.look()
        assert desk.deliveries.waiting() == 1
        assert await desk.deliveries.remove(hook.id) == hook
        assert desk.deliveries.waiting() == 0
        assert not desk.changes.wanted
        other = await desk.add(f"{receiver_.url}/other")
        desk.changes.changed("a", 2)
        await desk.pass_time(GATHER_S)
        await desk.until(delivered=1)
        assert list(await desk.deliveries.listed()) == [other]
    assert [heard.path for heard in receiver_.heard] == ["/other"]


async def test_webhooks_that_cannot_be_read_yet_miss_nothing(
    receiver_: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk()
    await desk.hooks.add(new_webhook(receiver_.url, room=None, under=None, made_ms=1))

    async def broken() -> list[Webhook]:
        raise StoreError("locked")

    async with desk.deliveries.running():
        desk.changes.changed("a", 1)
        with monkeypatch.context() as patch:
            patch.setattr(desk.hooks, "listed", broken)
            assert not await desk.deliveries.look()
        assert "no webhooks reason=locked" in caplog.text
        await desk.pass_time(GATHER_S)
        await desk.until(delivered=1)
