"""The listeners of a library or of discussions: what they follow on the loop, and how it reaches the program."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, TypeAlias, TypeVar

import anyio
from anyio.abc import TaskStatus

from crdt_sync.blocking.delivery import Courier, Deliver, Listener
from crdt_sync.blocking.loop_thread import LoopThread
from crdt_sync.discussions import Discussions
from crdt_sync.document import Change
from crdt_sync.errors import InvalidEdit
from crdt_sync.feeds import PresenceFeed
from crdt_sync.library import Library
from crdt_sync.live import Live, StatusValue
from crdt_sync.sync.presence import PresenceChange, PresenceKind

__all__ = ["News", "changes_of", "presence_of", "status_of", "threads_of"]

Value = TypeVar("Value")

Take: TypeAlias = Callable[[], Awaitable[Value]]
"""Waits for what is new, and returns it."""

CALLBACK_WITHIN_S = 5.0
"""How long unsubscribing waits for a callback that another thread is in; longer, and it may wait for the caller."""


@asynccontextmanager
async def changes_of(library: Library) -> AsyncIterator[Take[tuple[Change, ...]]]:
    """Follow what changes."""
    async with library.changes() as feed:
        yield feed.take


@asynccontextmanager
async def status_of(opened: Live[StatusValue, Any]) -> AsyncIterator[Take[StatusValue]]:
    """Follow the status, from what it is now."""
    yield opened.status_changes().__anext__


@asynccontextmanager
async def threads_of(discussions: Discussions) -> AsyncIterator[Take[tuple[str, ...]]]:
    """Follow which threads change."""
    async with discussions.changes() as feed:
        yield feed.take


@asynccontextmanager
async def presence_of(library: Library) -> AsyncIterator[Take[tuple[PresenceChange, ...]]]:
    """Follow who is here, from who is now."""
    feed = PresenceFeed()
    for client_id, state in library.presence.others().items():
        feed.put(PresenceChange(client_id, PresenceKind.JOINED, state))
    forget = library.presence.listen(feed.put)
    try:
        yield feed.take
    finally:
        forget()


class News:
    """`listen` from any thread, until `end` and `wait`. The listeners run where `deliver` says."""

    def __init__(self, loop: LoopThread[Any], deliver: Deliver | None) -> None:
        self._loop = loop
        self._listeners: dict[Listener[Any], None] = {}
        self._last_words: dict[Listener[Any], Callable[[], Any]] = {}  # of those that hear of an error's end
        loop.at_failure(self._tell_failure)
        self._courier = Courier(deliver) if deliver is not None else None

    def start(self) -> None:
        """Be ready to deliver."""
        if self._courier is not None:
            self._courier.start()

    def listen(
        self,
        source: AbstractAsyncContextManager[Take[Value]],
        callback: Callable[[Value], None],
        last_words: Callable[[], Value] | None = None,
    ) -> Callable[[], None]:
        """Have `callback` called with what `source` brings from now on; return what ends that.

        If the loop dies of an error, what `last_words` returns is the last that comes.
        """
        if self._courier is None:
            raise InvalidEdit("say with open_library(deliver=) how callbacks reach your thread")
        for known in list(self._listeners):
            if known.is_over:
                self._listeners.pop(known, None)
                self._last_words.pop(known, None)
        listener, scopes = Listener(callback), list[anyio.CancelScope]()
        self._listeners[listener] = None
        if last_words is not None:
            self._last_words[listener] = last_words

        def unsubscribe() -> None:
            listener.end()
            for scope in list(scopes):
                self._loop.post(scope.cancel)
            listener.wait(time.monotonic() + CALLBACK_WITHIN_S)

        try:
            self._loop.call(partial(self._loop.spawn, self._follow, source, listener, scopes))
        except BaseException:
            unsubscribe()
            raise
        return unsubscribe

    def end(self) -> None:
        """Begin no callback from now on."""
        for listener in list(self._listeners):
            listener.end()
        if self._courier is not None:
            self._courier.stop()

    def wait(self, until_s: float) -> None:
        """Wait for callbacks that other threads are in, until `time.monotonic()` is `until_s` at most."""
        for listener in list(self._listeners):
            listener.wait(until_s)

    def _tell_failure(self) -> None:
        """The loop takes nothing more from any source; what each listener has under way comes first."""
        for listener, last_words in list(self._last_words.items()):
            listener.at_rest(partial(self._send, listener, last_words(), lambda: None))

    def _send(self, listener: Listener[Value], value: Value, taken: Callable[[], None]) -> None:
        def done() -> None:
            taken()
            listener.rest()

        assert self._courier is not None
        listener.begin()
        self._courier.send(listener, value, done)

    async def _follow(
        self,
        source: AbstractAsyncContextManager[Take[Value]],
        listener: Listener[Value],
        scopes: list[anyio.CancelScope],
        *,
        task_status: TaskStatus[None],
    ) -> None:
        """Send one value after the other; the next is taken only when the last has been."""
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            async with source as take:
                task_status.started()
                while True:
                    value, taken = await take(), anyio.Event()
                    self._send(listener, value, partial(self._loop.post, taken.set))
                    await taken.wait()
