"""The discussions of a group for programs that have no event loop: `crdt_sync.discussions`, method for method."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from crdt_sync import discussions as asynchronous
from crdt_sync.blocking.delivery import Deliver
from crdt_sync.blocking.live import Live
from crdt_sync.blocking.loop_thread import Backend, LoopThread
from crdt_sync.blocking.news import threads_of
from crdt_sync.blocking.twins import twin
from crdt_sync.feeds import DiscussionStatus
from crdt_sync.sync.credentials import Token

if TYPE_CHECKING:
    import httpx

__all__ = ["Discussions", "open_discussions"]


def open_discussions(
    path: str | Path,
    *,
    relay: str,
    group: str,
    subject: str,
    token: Token,
    close_within_s: float = 5.0,
    client: httpx.AsyncClient | None = None,
    random: Random | None = None,
    backend: Backend = "asyncio",
    deliver: Deliver | None = None,
) -> Discussions:
    """Open the file of a group's discussions at `path`; use it as a `with` block, or `close` it.

    All but the last two is as in `crdt_sync.discussions.open_discussions`, and these are as in `blocking.open_library`.
    """
    opening = asynchronous.open_discussions(
        path,
        relay=relay,
        group=group,
        subject=subject,
        token=token,
        close_within_s=close_within_s,
        client=client,
        random=random,
    )
    return Discussions(LoopThread(opening, backend, "the file of discussions"), deliver)


class Discussions(Live[asynchronous.Discussions, DiscussionStatus]):
    """The open discussions of a group. Get them from `open_discussions`; any thread may use them.

    Each call raises `LibraryClosed` once they are closed, and `WrongThread` on their own thread.
    """

    @property
    def subject(self) -> str:
        """Who acts."""
        return self._opened.subject

    open_thread = twin(asynchronous.Discussions.open_thread)
    reply = twin(asynchronous.Discussions.reply)
    edit = twin(asynchronous.Discussions.edit)
    delete = twin(asynchronous.Discussions.delete)
    resolve = twin(asynchronous.Discussions.resolve)
    reopen = twin(asynchronous.Discussions.reopen)
    react = twin(asynchronous.Discussions.react)
    unreact = twin(asynchronous.Discussions.unreact)
    hide = twin(asynchronous.Discussions.hide)
    unhide = twin(asynchronous.Discussions.unhide)
    remove = twin(asynchronous.Discussions.remove)
    outbox = twin(asynchronous.Discussions.outbox)
    retry = twin(asynchronous.Discussions.retry)
    discard = twin(asynchronous.Discussions.discard)
    sent = twin(asynchronous.Discussions.sent)
    threads = twin(asynchronous.Discussions.threads)
    posts = twin(asynchronous.Discussions.posts)
    unread = twin(asynchronous.Discussions.unread)
    mark_read = twin(asynchronous.Discussions.mark_read)

    def on_change(self, callback: Callable[[tuple[str, ...]], None]) -> Callable[[], None]:
        """Have `callback` called, where `deliver` says, with the ids of threads that change from now on.

        It returns what ends that, and is else as `Library.on_change`.
        """
        return self._news.listen(threads_of(self._opened), callback)
