"""What the blocking library and the blocking discussions have in common: how they stand, callbacks, and their end."""

from __future__ import annotations

import atexit
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from crdt_sync.blocking.delivery import Deliver
from crdt_sync.blocking.loop_thread import LoopThread, do
from crdt_sync.blocking.news import News, status_of
from crdt_sync.errors import LibraryClosed, LibraryError
from crdt_sync.live import Live as AsynchronousLive
from crdt_sync.live import StatusValue
from crdt_sync.sync.loop import State

__all__ = ["Live"]

logger = logging.getLogger("crdt_sync")

Opened = TypeVar("Opened", bound=AsynchronousLive[Any, Any])

END_WITHIN_S = 5.0
"""How long the disk may take to finish what was begun, beside what the relay is given."""


class Live(Generic[Opened, StatusValue]):
    """`opened` on the loop of a thread of its own, and used from any other, until it is closed."""

    def __init__(self, loop: LoopThread[Opened], deliver: Deliver | None) -> None:
        self._loop = loop
        self._news = News(loop, deliver)
        self._opened = loop.start()
        self._news.start()
        self._told_failure = False
        atexit.register(self._close_at_exit)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.close()
        except LibraryError:
            if error is None:
                raise
            logger.warning("%s did not close as it should", self._loop.what, exc_info=True)

    @property
    def status(self) -> StatusValue:
        """How it stands now, or stood when it was closed. It waits for nothing."""
        status: StatusValue = self._opened.status
        if (failure := self._loop.failure()) is None:
            return status
        return replace(status, state=State.STOPPED, last_error=f"{self._loop.what} has stopped: {failure}")

    def reconnect(self) -> None:
        """Try to connect at once: the network has changed, the machine has slept, or somebody has signed in.

        It starts again also where the relay had refused and that was lifted: who was removed is invited again, a reader
        may edit. It stays `STOPPED`, and `status.last_error` says why, where a document was deleted, the callable gave
        a token of another account, a refused token is no callable, or the file belongs elsewhere. If it polls, it tries
        a WebSocket at once.
        """
        do(self._loop, self._opened.reconnect)

    def on_status(self, callback: Callable[[StatusValue], None]) -> Callable[[], None]:
        """Have `callback` called with the status now and whenever it has changed; a slow one sees the latest.

        If it stops with an error of its own, the last status says so. Else as `on_change`.
        """
        return self._news.listen(status_of(self._opened), callback, lambda: self.status)

    # The end

    def close(self, within_s: float | None = None) -> bool:
        """Close it; return whether it is closed, and not still busy with a disk that does not answer.

        The relay has `within_s` to confirm what is pending (None: `close_within_s`), and the disk a few seconds more;
        it never takes longer. What is pending then is sent when it is opened again. Calls of other threads
        end: edits that were begun are made, and what only waits raises `LibraryClosed`. No callback runs once this has
        returned; one that another thread is in is waited for within the same time. Any thread may close, a callback
        too, and more than once. If an error had stopped it, the first call raises `LibraryClosed` from it.
        """
        if self._loop.is_foreign():
            return True
        self._loop.check_caller()
        within_s = self._opened.close_within_s if within_s is None else max(within_s, 0)
        until_s = time.monotonic() + within_s + END_WITHIN_S
        self._loop.stop(partial(setattr, self._opened, "close_within_s", within_s))
        self._news.end()
        closed = self._loop.join(until_s - time.monotonic())
        self._news.wait(until_s)
        atexit.unregister(self._close_at_exit)
        if not closed:
            busy = "%s is still busy after %.0f s; what it has begun may end later"
            logger.warning(busy, self._loop.what, within_s)
        if (failure := self._loop.failure()) is not None and not self._told_failure:
            self._told_failure = True
            raise LibraryClosed(f"{self._loop.what} had stopped: {failure}") from failure
        return closed

    # Inside

    def _close_at_exit(self) -> None:
        """Close what the program forgot to close. It is silent: there is nobody left to tell."""
        self._loop.exit()
        with suppress(LibraryError):
            self.close()
