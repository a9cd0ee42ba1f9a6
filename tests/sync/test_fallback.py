"""Which transport is chosen, as a table; and how a device that polls tries WebSockets, on trio's mock clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import anyio
import pytest
import trio
import trio.testing

from crdt_sync.errors import ConnectionLost, Trouble
from crdt_sync.protocol.messages import Awareness, SyncStep2, encode
from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync.sync.fallback import CUTS, PROBE_FIRST_S, PROBE_LAST_S, STOOD_S, Chooser, Ended, FallbackConnect, Way
from crdt_sync.sync.loop import Link, State, SyncLoop
from crdt_sync.sync.presence import Presence
from crdt_sync.sync.transport import EndableTransport, Transport
from tests.sync.test_loop import Empty, Highest

BLOCKED = ConnectionLost("no WebSocket here", trouble=Trouble.INTERCEPTED)


def way_after(*endings: Ended) -> Way:
    chooser = Chooser()
    for ending in endings:
        chooser.ended(ending)
    return chooser.way


@pytest.mark.parametrize("code", [1001, 1008, 1011, 1012, 1013, 4400, 4401, 4403, 4404, 4413, 4500, 4501])
@pytest.mark.parametrize("lasted_s", [None, 0.1, 100.0])
def test_what_the_relay_says_is_never_a_reason_to_poll(code: int, lasted_s: float | None) -> None:
    assert way_after(*[Ended(code, None, lasted_s)] * 10) is Way.WEBSOCKET


@pytest.mark.parametrize(
    ("ending", "polls_after"),
    [
        (Ended(None, Trouble.INTERCEPTED, None), 1),
        (Ended(4403, Trouble.INTERCEPTED, None), 1),
        (Ended(None, Trouble.SILENT, None), 1),
        (Ended(None, Trouble.SILENT, 45.0), 1),
        (Ended(None, Trouble.CUT, None), CUTS),
        (Ended(None, Trouble.CUT, 2.0), CUTS),
        (Ended(1006, None, 2.0), CUTS),
        (Ended(1000, None, 2.0), CUTS),
        (Ended(None, Trouble.UNREACHABLE, None), None),
        (Ended(None, Trouble.CUT, STOOD_S), None),
        (Ended(1006, None, 3600.0), None),
        (Ended(None, None, 2.0), None),
    ],
)
def test_what_speaks_of_a_blocked_network(ending: Ended, polls_after: int | None) -> None:
    for count in range(1, 10):
        blocked = polls_after is not None and count >= polls_after
        assert (way_after(*[ending] * count) is Way.POLLING) == blocked, count
        if blocked:
            return


@pytest.mark.parametrize(
    "between", [Ended(None, Trouble.UNREACHABLE, None), Ended(None, Trouble.CUT, 31.0), Ended(1012, None, 0.5)]
)
def test_cuts_count_only_if_they_follow_one_another(between: Ended) -> None:
    cut = Ended(None, Trouble.CUT, 0.5)
    assert way_after(cut, cut, between, cut, cut) is Way.WEBSOCKET
    assert way_after(cut, cut, between, cut, cut, cut) is Way.POLLING


@pytest.mark.parametrize(
    ("ending", "way"),
    [
        (Ended(None, Trouble.NOT_OFFERED, None), Way.WEBSOCKET),  # no relay there, or one that does not poll
        (Ended(None, Trouble.INTERCEPTED, None), Way.WEBSOCKET),
        (Ended(None, Trouble.SILENT, None), Way.WEBSOCKET),
        (Ended(None, Trouble.CUT, None), Way.WEBSOCKET),
        (Ended(1013, None, None), Way.WEBSOCKET),  # it takes no more who poll
        (Ended(None, Trouble.UNREACHABLE, None), Way.POLLING),
        (Ended(4403, None, None), Way.POLLING),
        (Ended(1001, None, None), Way.POLLING),
        (Ended(4500, None, 40.0), Way.POLLING),
        (Ended(None, Trouble.CUT, 40.0), Way.POLLING),
    ],
)
def test_polling_is_left_where_it_does_not_open(ending: Ended, way: Way) -> None:
    assert way_after(Ended(None, Trouble.SILENT, None), ending) is way


def test_after_a_probe_one_soon_cut_is_enough() -> None:
    chooser = Chooser()
    chooser.ended(Ended(None, Trouble.SILENT, None))
    chooser.websocket_works()
    assert chooser.way is Way.WEBSOCKET
    chooser.ended(Ended(None, Trouble.CUT, 1.0))
    assert chooser.way is Way.POLLING


class Line:
    """An open transport that brings a step 2 and then no news, until it is ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.token: str | None = None
        self._frames = [encode(SyncStep2(EMPTY_UPDATE))]
        self._over = anyio.Event()
        self._reason: ConnectionLost | None = None

    async def send(self, frame: bytes) -> None:
        return None

    async def receive(self) -> bytes:
        if self._frames:
            return self._frames.pop()
        with anyio.move_on_after(20):
            await self._over.wait()
        if self._reason is not None:
            raise self._reason
        return encode(Awareness(()))  # as a relay does, every 20 s

    def renew(self, token: str) -> None:
        self.token = token

    def end(self, reason: ConnectionLost) -> None:
        self._reason = reason
        self._over.set()


class Network:
    """Counts who connects when. `websocket` fails with this, or works if it is None."""

    def __init__(self, websocket: ConnectionLost | None, polling: ConnectionLost | None = None) -> None:
        self.websocket_fails = websocket
        self.polling_fails = polling
        self.websocket_at_s: list[float] = []
        self.tokens: list[str | None] = []
        """With which each WebSocket was tried."""
        self.polling_at_s: list[float] = []
        self.links: list[Link] = []
        self.line: Line | None = None
        self.connect = FallbackConnect(self.websocket, self.polling, random=Highest(), now=trio.current_time)

    @asynccontextmanager
    async def websocket(self, token: str | None) -> AsyncIterator[Transport]:
        self.websocket_at_s.append(trio.current_time())
        self.tokens.append(token)
        if self.websocket_fails is not None:
            raise self.websocket_fails
        yield Line("websocket")

    @asynccontextmanager
    async def polling(self, token: str | None) -> AsyncIterator[EndableTransport]:
        self.polling_at_s.append(trio.current_time())
        if self.polling_fails is not None:
            raise self.polling_fails
        self.line = Line("polling")
        yield self.line


def play(network: Callable[[], Network], for_s: float, **at_s: tuple[float, Callable[[Network], None]]) -> Network:
    """Run a loop over the network for so long, and do what is asked at its time."""

    async def main() -> Network:
        net = network()
        async with trio.open_nursery() as nursery:
            loop = SyncLoop(
                net.connect,
                Empty(),
                Presence(1, trio.current_time),
                token=None,
                random=Random(1),
                now=trio.current_time,
                report=net.links.append,
            )
            nursery.start_soon(loop.run)
            for due_s, act in at_s.values():
                await trio.sleep_until(due_s)
                act(net)
            await trio.sleep_until(for_s)
            nursery.cancel_scope.cancel()
        return net

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_websockets_are_tried_again_at_growing_bounded_intervals() -> None:
    net = play(lambda: Network(BLOCKED), 3000)
    gaps = [later - sooner for sooner, later in zip(net.websocket_at_s[1:], net.websocket_at_s[2:], strict=False)]
    assert gaps[:5] == pytest.approx([30, 60, 120, 240, PROBE_LAST_S])
    assert gaps[4:] == pytest.approx([PROBE_LAST_S] * len(gaps[4:]))
    assert net.websocket_at_s[1] - net.polling_at_s[0] == pytest.approx(PROBE_FIRST_S)
    assert len(net.polling_at_s) == 1  # and polling went on all the time


def test_reconnect_tries_a_websocket_at_once_and_then_soon() -> None:
    net = play(lambda: Network(BLOCKED), 1100, retry=(1000.0, lambda net: net.connect.retry()))
    assert [at_s for at_s in net.websocket_at_s if at_s >= 1000] == pytest.approx([1000, 1030, 1090])


def test_after_a_lost_poll_session_a_websocket_is_tried_soon_again() -> None:
    def lose(net: Network) -> None:
        assert net.line is not None
        net.line.end(ConnectionLost("asleep for an hour", trouble=Trouble.CUT))

    net = play(lambda: Network(BLOCKED), 1100, lose=(1000.0, lose))
    assert len(net.polling_at_s) == 2
    later = [at_s - net.polling_at_s[1] for at_s in net.websocket_at_s if at_s > net.polling_at_s[1]]
    assert later == pytest.approx([15, 45])


def test_a_websocket_that_works_takes_over_without_a_pause_or_a_word_of_failure() -> None:
    def heal(net: Network) -> None:
        net.websocket_fails = None
        net.connect.retry()

    net = play(lambda: Network(BLOCKED), 20, heal=(10.0, heal))
    assert net.websocket_at_s[1:] == [10.0, 10.0]  # the probe, and the connection
    links = net.links
    assert (links[-1].state, links[-1].transport, links[-1].last_error) == (State.CONNECTED, "websocket", None)
    after = links[next(n for n, link in enumerate(links) if link.transport == "polling") :]
    assert State.WAITING not in {link.state for link in after}


def test_a_bare_403_is_final_only_where_there_is_nothing_to_poll() -> None:
    refused = ConnectionLost("something answered 403", code=4403, trouble=Trouble.INTERCEPTED)
    nothing = ConnectionLost("something answered 404", trouble=Trouble.NOT_OFFERED)
    net = play(lambda: Network(refused, nothing), 1000)
    links = net.links
    assert (links[-1].state, links[-1].last_error) == (State.STOPPED, "something answered 403")
    assert (len(net.websocket_at_s), len(net.polling_at_s)) == (1, 1)
    net = play(lambda: Network(refused), 1000)
    links = net.links
    assert (links[-1].state, links[-1].transport) == (State.CONNECTED, "polling")


def test_a_gateway_whose_relay_is_away_behind_a_network_that_says_403_stops_nobody() -> None:
    refused = ConnectionLost("something answered 403", code=4403, trouble=Trouble.INTERCEPTED)
    away = ConnectionLost("something answered 502", trouble=Trouble.INTERCEPTED)

    def come_back(net: Network) -> None:
        net.polling_fails = None

    net = play(lambda: Network(refused, away), 1000, come_back=(500.0, come_back))
    assert State.STOPPED not in {link.state for link in net.links}
    assert (net.links[-1].state, net.links[-1].transport) == (State.CONNECTED, "polling")


def test_a_relay_that_does_not_poll_is_not_polled_for_ever() -> None:
    net = play(lambda: Network(BLOCKED, ConnectionLost("404", trouble=Trouble.NOT_OFFERED)), 200)
    assert abs(len(net.websocket_at_s) - len(net.polling_at_s)) <= 1
    assert len(net.websocket_at_s) > 5


def test_a_probe_shows_the_token_that_the_session_shows_now() -> None:
    """The one that it was opened with may have ended long ago."""
    net = play(lambda: Network(BLOCKED), 100, renew=(5.0, lambda net: net.line and net.line.renew("second")))
    assert net.tokens[0] is None
    assert set(net.tokens[1:]) == {"second"}
    assert len(net.tokens) > 2
