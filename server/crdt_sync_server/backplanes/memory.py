"""A backplane within one process, for tests and simulations: what can go wrong is a knob, and no clock is read."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice

import anyio

from crdt_sync_server.backplane import Carried, Committed, Missed, News, Said, check_said, fit_to_carry
from crdt_sync_server.errors import BackplaneError

__all__ = ["MemoryBackplane", "MemoryHub", "Weather"]

WAITING_SAID = 4096
"""How much may be said before a subscriber takes it."""


class MemoryHub:
    """What several `MemoryBackplane` meet at. It keeps the last `kept` updates for those who come back."""

    def __init__(self, *, kept: int = 4096) -> None:
        self.is_down = False
        self.generation = 0
        self.last = 0
        self.log: deque[Committed] = deque(maxlen=kept)
        self.listeners: list[_Listener] = []

    def fail(self) -> None:
        """Be gone: every call raises, and those who listen are told."""
        self.is_down = True
        for listener in list(self.listeners):
            listener.break_off()

    def recover(self) -> None:
        """Be there again, with what was kept."""
        self.is_down = False

    def forget(self) -> None:
        """Lose all that was kept, as after a flush or a restart: no cursor of before is known."""
        self.generation += 1
        self.last = 0
        self.log.clear()
        self._wake()

    def add(self, committed: Sequence[Committed]) -> None:
        """Keep these, and let them be heard."""
        self.log.extend(committed)
        self.last += len(committed)
        self._wake()

    def say(self, said: Sequence[Said]) -> None:
        """Let these be heard by those who listen."""
        for listener in list(self.listeners):
            listener.hear(said)

    def _wake(self) -> None:
        for listener in self.listeners:
            listener.wake()


@dataclass(slots=True)
class Weather:
    """How it is between one relay and the hub. Each is asked anew at each call and each delivery."""

    delay_s: Callable[[], float] = lambda: 0.0
    """How long it takes, in the loop's time."""
    fails: Callable[[], bool] = lambda: False
    """Whether a call raises and nothing was carried."""
    loses_answer: Callable[[], bool] = lambda: False
    """Whether a call raises and yet all was carried."""
    drops: Callable[[], bool] = lambda: False
    """Whether a delivery is lost: updates come as `Missed`, words not at all."""


class MemoryBackplane:
    """`backplane.Backplane` at a hub, which is one of its own if none is given."""

    def __init__(self, hub: MemoryHub | None = None, weather: Weather | None = None) -> None:
        self.hub = hub or MemoryHub()
        self.weather = weather or Weather()
        self._is_cut = False
        self._is_closed = False

    def cut(self) -> None:
        """Be parted from the hub, which the others still reach."""
        self._is_cut = True
        self._break_off()

    def mend(self) -> None:
        """Reach the hub again."""
        self._is_cut = False

    async def publish(self, committed: Sequence[Committed]) -> None:
        """Carry these to all who subscribe, in this order."""
        async with self._call():
            self.hub.add(fit_to_carry(committed))

    async def say(self, said: Sequence[Said]) -> None:
        """Carry these to those who are subscribed now, in this order."""
        check_said(said)
        async with self._call():
            self.hub.say(said)

    @asynccontextmanager
    async def subscribe(self, after: str | None) -> AsyncIterator[AsyncIterator[Carried]]:
        """Give, while the block lasts, what was published after the cursor `after`, then what comes."""
        async with self._call():
            pass
        listener = _Listener(self, after)
        self.hub.listeners.append(listener)
        try:
            yield listener
        finally:
            listener.break_off()

    async def close(self) -> None:
        """Part from the hub, for good."""
        self._is_closed = True
        self._break_off()

    def check(self) -> None:
        """Raise `BackplaneError` unless the hub can be reached."""
        if self._is_closed:
            raise BackplaneError("the backplane is closed")
        if self._is_cut or self.hub.is_down:
            raise BackplaneError("the backplane cannot be reached")

    @asynccontextmanager
    async def _call(self) -> AsyncIterator[None]:
        self.check()
        await anyio.sleep(self.weather.delay_s())
        self.check()
        if self.weather.fails():
            raise BackplaneError("the backplane did not take it")
        yield
        if self.weather.loses_answer():
            raise BackplaneError("the backplane gave no answer")

    def _break_off(self) -> None:
        for listener in [each for each in self.hub.listeners if each.backplane is self]:
            listener.break_off()


class _Listener:
    """What one block of `subscribe` iterates over. Nothing is taken before the last `await`."""

    def __init__(self, backplane: MemoryBackplane, after: str | None) -> None:
        self.backplane = backplane
        self._hub = backplane.hub
        self._generation, self._at = self._place(after)
        self._is_told_where = False
        self._is_broken = False
        self._said: deque[Said] = deque()
        self._work = anyio.Event()

    def __aiter__(self) -> _Listener:
        return self

    async def __anext__(self) -> Carried:
        while not self._has_news():
            self._check()
            self._work = anyio.Event()
            await self._work.wait()
        await anyio.sleep(self.backplane.weather.delay_s())
        self._check()
        return self._take()

    def hear(self, said: Sequence[Said]) -> None:
        """Keep these until they are taken."""
        self._said.extend(said)
        if len(self._said) > WAITING_SAID:
            self.break_off()
        self.wake()

    def wake(self) -> None:
        """Let who waits look again."""
        self._work.set()

    def break_off(self) -> None:
        """Hear nothing more: whoever iterates is told."""
        self._is_broken = True
        if self in self._hub.listeners:
            self._hub.listeners.remove(self)
        self.wake()

    def _place(self, after: str | None) -> tuple[int, int]:
        """Return the generation and the number that a cursor names; one that cannot be named before all others."""
        if after is None:
            return self._hub.generation, self._hub.last
        generation, _, number = after.partition("/")
        if generation.isdecimal() and number.isdecimal():
            return int(generation), int(number)
        return -1, 0

    def _has_news(self) -> bool:
        place = (self._hub.generation, self._hub.last)
        return not self._is_told_where or bool(self._said) or (self._generation, self._at) != place

    def _check(self) -> None:
        if self._is_broken:
            self.backplane.check()
            raise BackplaneError("the backplane was lost, or told more than was taken")

    def _take(self) -> Carried:
        hub, news = self._hub, list[News]()
        kept_after = hub.last - len(hub.log)
        if self._generation != hub.generation or not kept_after <= self._at <= hub.last:
            news.append(Missed())
            self._at = kept_after
        published = list(islice(reversed(hub.log), hub.last - self._at))[::-1]
        if self.backplane.weather.drops():
            news = [Missed()] if published or news else []
        else:
            news += [*published, *self._said]
        self._said.clear()
        self._generation, self._at, self._is_told_where = hub.generation, hub.last, True
        return Carried(f"{self._generation}/{self._at}", tuple(news))
