"""A network in simulated time. Each connection keeps its order, as TCP does; everything else can go wrong.

A connection is slow, stalls and goes on, is cut with what is on the way, or dies without telling anyone (half open). A
device can be out of reach. Whoever sends more than the window holds waits, as for a socket.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from crdt_sync.errors import ConnectionLost, Trouble
from crdt_sync.sync.transport import Transport

if TYPE_CHECKING:
    from tests.simulation.http import Exchange

__all__ = ["Conditions", "Network", "Wire"]

WINDOW_BYTES = 16 * 1024
CONNECT_WITHIN_S = 10.0
KEEP_ALIVE_WITHIN_S = 75.0
"""When a relay's system notices that a peer is gone without a word."""


@dataclass(frozen=True, slots=True)
class Close:
    """The end of a stream, after everything before it."""

    code: int | None
    reason: str


class Pipe:
    """One direction of a connection."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._arrived: deque[bytes | Close] = deque()
        self._on_the_way: deque[bytes | Close] = deque()
        self._waiting_bytes = 0
        self._last_s = 0.0
        self._stalled_until_s = 0.0
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._end: Close | None = None
        self.black_hole = False

    async def put(self, item: bytes | Close) -> None:
        """Send; wait while the window is full. Raises `ConnectionLost` once the pipe has been cut."""
        if isinstance(item, bytes):
            while self._waiting_bytes > WINDOW_BYTES and self._end is None:
                self._room.clear()
                await self._room.wait()
        self.put_now(item)

    def put_now(self, item: bytes | Close) -> None:
        """Send without waiting. Raises `ConnectionLost` once the pipe has been cut."""
        if self._end is not None:
            raise ConnectionLost(self._end.reason, code=self._end.code)
        size = len(item) if isinstance(item, bytes) else 0
        self._waiting_bytes += size
        if self.black_hole:
            return
        loop = asyncio.get_running_loop()
        at_s = max(loop.time() + self._conditions.delay_s(size), self._last_s + 1e-6, self._stalled_until_s)
        self._last_s = at_s
        self._on_the_way.append(item)
        loop.call_at(at_s, self._arrive)

    def stall(self, until_s: float) -> None:
        """Let nothing that is sent from now on arrive before `until_s`."""
        self._stalled_until_s = max(self._stalled_until_s, until_s)

    async def get(self) -> bytes | Close:
        """Return what has arrived next; a `Close` stays."""
        while not self._arrived:
            if self._end is not None:
                return self._end
            self._work.clear()
            await self._work.wait()
        item = self._arrived[0]
        if isinstance(item, bytes):
            self._arrived.popleft()
            self._waiting_bytes -= len(item)
            self._room.set()
        return item

    def cut(self, end: Close) -> None:
        """Lose what is on the way; both ends know at once."""
        if self._end is None:
            self._end = end
            self._on_the_way.clear()
            self._work.set()
            self._room.set()

    def duplicate_last(self) -> None:
        """Send the last update that is on the way a second time."""
        if self._on_the_way and self._end is None:
            last = self._on_the_way[-1]
            if isinstance(last, bytes) and last[:2] == b"\x00\x02":
                self.put_now(last)

    def _arrive(self) -> None:
        if self._end is None and not self.black_hole and self._on_the_way:
            self._arrived.append(self._on_the_way.popleft())
            self._work.set()


@dataclass(slots=True)
class Conditions:
    """How fast the way to one device is; the same for all its connections."""

    random: Random
    latency_s: float = 0.02
    bytes_per_s: float = 1e6
    reachable: bool = True
    websockets_pass: bool = True
    request_faults: float = 0.0
    """The share of HTTP requests that something on the way spoils."""

    def delay_s(self, size: int) -> float:
        """Return how long `size` bytes take."""
        return self.latency_s * (0.5 + self.random.random()) + size / self.bytes_per_s


class Wire:
    """One connection between a device and the relay."""

    def __init__(self, device: str, conditions: Conditions) -> None:
        self.device = device
        self.up = Pipe(conditions)
        self.down = Pipe(conditions)
        self.answered = asyncio.Event()  # accepted or refused

    def cut(self, reason: str = "the connection was reset", code: int | None = None) -> None:
        """End it at once; what is on the way is lost."""
        for pipe in (self.up, self.down):
            pipe.cut(Close(code, reason))
        self.answered.set()

    def half_open(self) -> None:
        """Nothing passes any more, and nobody is told but, after a while, the relay's system."""
        self.up.black_hole = self.down.black_hole = True
        asyncio.get_running_loop().call_later(KEEP_ALIVE_WITHIN_S, self.cut, "keep-alive found the peer gone")

    def duplicate(self, random: Random) -> None:
        """Let the last update that is on the way, in one direction, come twice."""
        random.choice((self.up, self.down)).duplicate_last()

    def stall(self, seconds: float) -> None:
        """Nothing arrives for a while, then everything does."""
        until_s = asyncio.get_running_loop().time() + seconds
        self.up.stall(until_s)
        self.down.stall(until_s)


class _Server(Protocol):
    def serve(self, wire: Wire) -> bool:
        """Serve a connection; return whether anyone listens."""


class Network:
    """The ways between all devices and the relay."""

    def __init__(self, random: Random, note: Callable[..., None]) -> None:
        self._random = random
        self._note = note
        self.server: _Server | None = None
        self.conditions: dict[str, Conditions] = {}
        self.wires: list[Wire] = []
        self.exchanges: list[Exchange] = []

    def way_to(self, device: str) -> Conditions:
        """Return the conditions of a device."""
        return self.conditions.setdefault(device, Conditions(self._random))

    def open_of(self, device: str) -> list[Wire | Exchange]:
        """Return the open connections and requests of a device."""
        return [each for each in (*self.wires, *self.exchanges) if each.device == device]

    def heal(self) -> None:
        """Make all ways good and reachable. A connection that died stays dead, and proxies stay as they are."""
        for conditions in self.conditions.values():
            conditions.latency_s, conditions.bytes_per_s, conditions.reachable = 0.02, 1e6, True

    def connector(self, device: str) -> Callable[[str | None], Any]:
        """Return the device's `Connect`."""

        @asynccontextmanager
        async def connect(token: str | None) -> AsyncIterator[Transport]:
            conditions = self.way_to(device)
            await anyio.sleep(conditions.delay_s(200))
            if not conditions.reachable:
                await anyio.sleep(CONNECT_WITHIN_S)
                raise ConnectionLost("the relay did not answer in time", trouble=Trouble.UNREACHABLE)
            if not conditions.websockets_pass:
                raise ConnectionLost("something answered 502", trouble=Trouble.INTERCEPTED)
            wire = Wire(device, conditions)
            if self.server is None or not self.server.serve(wire):
                raise ConnectionLost("connection refused", trouble=Trouble.UNREACHABLE)
            self.wires.append(wire)
            self._note("connect", device)
            try:
                with anyio.move_on_after(CONNECT_WITHIN_S) as scope:
                    await wire.answered.wait()
                if scope.cancelled_caught:
                    raise ConnectionLost("the relay did not answer in time", trouble=Trouble.SILENT)
                yield _ClientEnd(wire)
            finally:
                self._leave(wire)
                self._note("disconnect", device)

        return connect

    def _leave(self, wire: Wire) -> None:
        self.wires.remove(wire)
        with suppress(ConnectionLost):  # it may have been cut before
            wire.up.put_now(Close(1000, "the client has left"))


class _ClientEnd:
    name = "websocket"

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def send(self, frame: bytes) -> None:
        try:
            await self._wire.up.put(frame)
        except ConnectionLost as lost:
            raise _told(lost.code, str(lost)) from lost

    async def receive(self) -> bytes:
        item = await self._wire.down.get()
        if isinstance(item, Close):
            raise _told(item.code, item.reason or f"closed with {item.code}")
        return item


def _told(code: int | None, reason: str) -> ConnectionLost:
    """Return the end of a connection as the engine's WebSocket tells it."""
    return ConnectionLost(reason, code=code, trouble=Trouble.CUT if code is None else None)
