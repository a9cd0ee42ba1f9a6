"""HTTP in simulated time: requests that the network and its proxies lose, cut, repeat, delay and turn around.

Each request travels for itself, so any two may overtake each other. What a proxy sends a second time comes whenever it
likes, also when its client has long heard the answer, or has died.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from enum import Enum
from random import Random
from typing import Protocol

import anyio
import httpx

from tests.simulation.network import KEEP_ALIVE_WITHIN_S, Conditions, Network
from tests.simulation.truth import PolledStreams

__all__ = ["Arrival", "Exchange", "Requests", "SimulatedHttp"]


class Fate(Enum):
    """What becomes of a request where proxies are bad."""

    LOST = "lost"
    """It never arrives, and nobody says so."""
    CUT = "cut"
    """The connection is reset, before the request arrives or at any time after."""
    UNANSWERED = "unanswered"
    """The answer is lost, and nobody says so."""
    HALVED = "halved"
    """The answer is cut in the middle."""
    REPEATED = "repeated"
    """It arrives twice, the second time perhaps much later; the client gets the answer that is first."""
    LATE = "late"
    """It arrives when the client may have given it up, and has said the same again."""
    REPLACED = "replaced"
    """A proxy answers 502 in the relay's place, to what the relay got or did not get."""


class Exchange:
    """One request and its answer, as the client has it open."""

    def __init__(self, device: str, conditions: Conditions, request: httpx.Request, body: bytes) -> None:
        self.device = device
        self.request = request
        self.body = body
        self.outcome: httpx.Response | httpx.TransportError | None = None
        self.settled = asyncio.Event()
        self.is_over = False
        """Whether the client waits for it no longer."""
        self.loses_answer = self.halves_answer = False
        self._conditions = conditions
        self._stalled_until_s = 0.0
        self._black_hole = False
        self._arrivals: list[Arrival] = []

    def after(self, delay_s: float, function: Callable[[], object]) -> None:
        """Call `function` then, or when the network goes on after a stall; never once nothing passes any more."""
        loop = asyncio.get_running_loop()

        def arrive() -> None:
            if loop.time() < self._stalled_until_s:
                loop.call_at(self._stalled_until_s, arrive)
            elif not self._black_hole:
                function()

        loop.call_later(delay_s, arrive)

    def settle(self, outcome: httpx.Response | httpx.TransportError) -> None:
        """Let the client have this, unless it has something already."""
        if self.outcome is None:
            self.outcome = outcome
            self.settled.set()

    def arrived(self, arrival: Arrival) -> None:
        """Remember where the relay has it."""
        self._arrivals.append(arrival)

    def reply(self, status: int, headers: list[tuple[bytes, bytes]], data: bytes) -> None:
        """Send the answer on its way."""
        if self.loses_answer:
            return
        body = _Body(data, cut=self.halves_answer)
        response = httpx.Response(status, headers=headers, stream=body, request=self.request)
        self.after(self._conditions.delay_s(len(data)), lambda: self.settle(response))

    # What may happen to it

    def cut(self, reason: str = "the connection was reset") -> None:
        """End it at once; both ends know."""
        self.settle(httpx.ReadError(reason))
        self._hang_up()

    def half_open(self) -> None:
        """Nothing passes any more, and nobody is told but, after a while, the relay's system."""
        self._black_hole = True
        asyncio.get_running_loop().call_later(KEEP_ALIVE_WITHIN_S, self._hang_up)

    def stall(self, seconds: float) -> None:
        """Nothing arrives for a while, then everything does."""
        self._stalled_until_s = max(self._stalled_until_s, asyncio.get_running_loop().time() + seconds)

    def abandon(self) -> None:
        """The client waits no longer. The relay hears of it if the network lets it."""
        self.is_over = True
        if self._arrivals and not isinstance(self.outcome, httpx.Response):
            self.after(self._conditions.delay_s(0), self._hang_up)

    def _hang_up(self) -> None:
        for arrival in self._arrivals:
            arrival.gone.set()


class Arrival:
    """A request as it reaches the relay. Of a copy that a proxy sends nobody ever hangs up, unless it is cut there."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.gone = asyncio.Event()
        """Set once the relay can know that the client has hung up."""


class _Server(Protocol):
    def serve_request(self, arrival: Arrival) -> bool:
        """Serve a request; return whether anyone listens."""


class Requests:
    """All requests of all devices, and what becomes of them."""

    def __init__(self, network: Network, streams: PolledStreams, random: Random, note: Callable[..., None]) -> None:
        self.network = network
        self.server: _Server | None = None
        self._streams = streams
        self._random = random
        self._note = note

    def begin(self, device: str, request: httpx.Request, body: bytes) -> Exchange:
        """Send a request on its way."""
        conditions, random = self.network.way_to(device), self._random
        poll = self._streams.request(body)
        fate = random.choice(list(Fate)) if random.random() < conditions.request_faults else None
        self._note("poll", device, poll.kind.name, poll.wait_ms, poll.piece.received, poll.piece.first, body, fate)
        exchange = Exchange(device, conditions, request, body)
        self.network.exchanges.append(exchange)
        exchange.loses_answer = fate is Fate.UNANSWERED
        exchange.halves_answer = fate is Fate.HALVED
        delay_s = conditions.delay_s(len(body))
        if fate is Fate.CUT:
            exchange.after(random.choice((delay_s / 2, delay_s * 2, 5 * random.random())), exchange.cut)
        if fate is Fate.REPLACED:
            gateway = httpx.Response(502, stream=_Body(b"<h1>Bad gateway</h1>"), request=request)
            exchange.after(2 * delay_s, lambda: exchange.settle(gateway))
        if fate is Fate.LATE:
            delay_s += 20 * random.random()
        if fate is not Fate.LOST and (fate is not Fate.REPLACED or random.random() < 0.5):
            exchange.after(delay_s, lambda: self._arrive(exchange))
        if fate is Fate.REPEATED:
            self.repeat(exchange, random.choice((0.0, 0.05, 1.0, 40.0)) * random.random())
        return exchange

    def repeat(self, exchange: Exchange, after_s: float) -> None:
        """Let a proxy send it a second time, whatever has become of the client by then."""

        def arrive() -> None:
            self._note("repeated", exchange.device, exchange.body)
            if self.server is not None:
                self.server.serve_request(Arrival(exchange))

        asyncio.get_running_loop().call_later(after_s, arrive)

    def end(self, exchange: Exchange) -> None:
        """The client is through with it."""
        self.network.exchanges.remove(exchange)
        exchange.abandon()

    def _arrive(self, exchange: Exchange) -> None:
        arrival = Arrival(exchange)
        if self.server is not None and self.server.serve_request(arrival):
            exchange.arrived(arrival)
        else:
            exchange.settle(httpx.ConnectError("connection refused"))


class SimulatedHttp(httpx.AsyncBaseTransport):
    """What a device's `httpx.AsyncClient` sends its requests through."""

    def __init__(self, device: str, requests: Requests) -> None:
        self._device = device
        self._requests = requests

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Make one request, within the time-outs that it states."""
        assert isinstance(request.stream, httpx.AsyncByteStream)
        body = b"".join([part async for part in request.stream])
        timeouts = request.extensions["timeout"]
        if not self._requests.network.way_to(self._device).reachable:
            await anyio.sleep(timeouts["connect"])
            raise httpx.ConnectTimeout("the relay cannot be reached")
        exchange = self._requests.begin(self._device, request, body)
        try:
            with anyio.move_on_after(timeouts["read"]):
                await exchange.settled.wait()
            match exchange.outcome:
                case None:
                    raise httpx.ReadTimeout("the relay did not answer in time")
                case httpx.Response() as response:
                    return response
                case error:
                    raise error
        finally:
            self._requests.end(exchange)


class _Body(httpx.AsyncByteStream):
    def __init__(self, data: bytes, *, cut: bool = False) -> None:
        self._data = data
        self._cut = cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._cut:
            yield self._data[: len(self._data) // 2]
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
        yield self._data
