"""The discussions of a group: threads on its highlights, on this device and live.

The relay alone writes the document of the threads. Here it is followed, and what this device's reader does goes to the
relay as actions: each is kept in the file before its call returns, and they are sent in order, one at a time, each as
often as it takes. A composition root, as `library` is one.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from crdt_sync.errors import InvalidEdit
from crdt_sync.feeds import DiscussionStatus, ThreadFeed, listening
from crdt_sync.live import Live
from crdt_sync.outbox import Outbox
from crdt_sync.storage.binding import Binding
from crdt_sync.storage.discussion_file import Came, DiscussionFile, Waiting
from crdt_sync.storage.discussion_views import Post, PostState, Thread, posts_of, threads, unread_counts
from crdt_sync.sync.actions import Actions, checked
from crdt_sync.sync.loop import Link, State, Token
from crdt_sync.sync.presence import Presence
from crdt_sync.sync.transport import Connect
from crdt_sync.threads_replica import ThreadsReplica
from crdt_sync.worker import Worker

if TYPE_CHECKING:
    import httpx

__all__ = [
    "DiscussionStatus",
    "Discussions",
    "Post",
    "PostState",
    "Thread",
    "ThreadFeed",
    "Waiting",
    "open_discussions",
]

Result = TypeVar("Result")


@asynccontextmanager
async def open_discussions(
    path: str | Path,
    *,
    relay: str,
    group: str,
    subject: str,
    token: Token,
    close_within_s: float = 5.0,
    client: httpx.AsyncClient | None = None,
    random: Random | None = None,
) -> AsyncIterator[Discussions]:
    """Open the file of a group's discussions at `path`, and keep it in step with the relay while the block lasts.

    `group` is the group's room, `g/<id>`; `subject` names the account, and `token` is as in `open_library`. The file is
    this process's alone while it is open, and belongs to relay, group and subject from the first time on. Leaving the
    block waits up to `close_within_s` for what waits to be sent, where the relay can be reached.

    Raises `StorageError` if the file cannot be used, `BoundElsewhere` if it belongs elsewhere, and `InvalidEdit` if
    relay or group make no sense. Errors of the network are never raised: they are in `discussions.status`.
    """
    if not group.startswith("g/") or group.count("/") != 1 or group == "g/":
        raise InvalidEdit(f"a group's room is called g/<id>; {group!r} is none")
    random = random or SystemRandom()
    async with AsyncExitStack() as stack:
        if client is None:
            import httpx  # a third of the time that a command takes, and most never connect

            client = await stack.enter_async_context(httpx.AsyncClient(timeout=10))
        try:
            actions = Actions(relay, group, client, token=token)
        except ValueError as error:
            raise InvalidEdit(str(error)) from None
        worker = Worker("crdt-sync discussions")
        worker.start()
        stack.push_async_callback(worker.stop)
        binding = Binding(relay.rstrip("/"), group, subject)
        file = await worker.call(DiscussionFile, Path(path), binding)
        stack.push_async_callback(worker.call, file.close)
        discussions = Discussions(
            worker, file, actions, random, subject=subject, token=token, close_within_s=close_within_s
        )
        connect = discussions._connect(binding.relay, f"{group}/threads", client, "auto")
        await discussions._refresh()
        async with discussions._running(partial(discussions._keep_in_step, connect), discussions._outbox.run):
            yield discussions


class Discussions(Live[DiscussionStatus, tuple[int, int]]):
    """The open discussions of a group. Get them from `open_discussions`; use them from that event loop.

    Who acts gets the action's id, or the id of what it makes, once the action is durable on this device.
    """

    def __init__(
        self,
        worker: Worker,
        file: DiscussionFile,
        actions: Actions,
        random: Random,
        *,
        subject: str,
        token: Token,
        close_within_s: float = 5.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outbox = Outbox(worker, file, actions, random=random, changed=self._sent)
        super().__init__(
            worker, random, now, first_state=State.CONNECTING, counts=(0, 0), close_within_s=close_within_s
        )
        self.subject = subject
        self._file = file
        self._token = token
        self._feeds: list[ThreadFeed] = []
        self._was_stopped = False

    # Actions

    async def open_thread(self, highlight: str, text: str) -> str:
        """Begin a thread on a highlight of the group; return its id, which is that of its first post too."""
        return await self._act("open", highlight=highlight, text=text)

    async def reply(self, thread: str, text: str, *, parent: str | None = None) -> str:
        """Post in a thread, in answer to the post `parent` if one is named; return the post's id."""
        more = {} if parent is None else {"parent": parent}
        return await self._act("reply", thread=thread, text=text, **more)

    async def edit(self, post: str, text: str) -> str:
        """Give one's own post another text."""
        return await self._act("edit", post=post, text=text)

    async def delete(self, post: str) -> str:
        """Take the text of one's own post away. Its place in the thread stays."""
        return await self._act("delete", post=post)

    async def resolve(self, thread: str) -> str:
        """Mark a thread as settled."""
        return await self._act("resolve", thread=thread)

    async def reopen(self, thread: str) -> str:
        """Mark a thread as not settled any more."""
        return await self._act("reopen", thread=thread)

    async def react(self, post: str, reaction: str) -> str:
        """Put an emoji or a short word to a post."""
        return await self._act("react", post=post, reaction=reaction)

    async def unreact(self, post: str, reaction: str) -> str:
        """Take one's own reaction back."""
        return await self._act("unreact", post=post, reaction=reaction)

    async def hide(self, post: str) -> str:
        """As an owner of the group, mark a post so that its text is not shown."""
        return await self._act("hide", post=post)

    async def unhide(self, post: str) -> str:
        """As an owner of the group, let a hidden post be shown again."""
        return await self._act("unhide", post=post)

    async def remove(self, post: str) -> str:
        """As an owner of the group, take the text of anybody's post away, for good."""
        return await self._act("remove", post=post)

    # What waits

    async def outbox(self) -> list[Waiting]:
        """Return the actions that are not done yet, in their order; those that were refused say why."""
        return await self._worker.call(self._file.waiting)

    async def retry(self, action_id: str) -> None:
        """Send a refused action again. Raises `NotFound`."""
        await self._worker.call(self._file.retry, action_id)
        await self._changed()

    async def discard(self, action_id: str) -> None:
        """Forget a refused action. Raises `NotFound`."""
        await self._worker.call(self._file.discard, action_id)
        await self._changed()

    async def sent(self, timeout_s: float) -> bool:
        """Wait until nothing waits to be sent; return whether that was so within `timeout_s`, and nothing refused."""
        with anyio.move_on_after(timeout_s):
            async for status in self.status_changes():
                if not status.waiting:
                    return not status.refused
        return False

    # Queries

    async def threads(self, highlight: str | None = None) -> list[Thread]:
        """Return the threads of a highlight or of the whole group, the oldest first, and then those that wait."""
        return await self._query(partial(threads, self._file, self.subject, highlight))

    async def posts(self, thread: str) -> list[Post]:
        """Return the posts of a thread in their order, and then those that wait on this device."""
        return await self._query(partial(posts_of, self._file, self.subject, thread))

    async def unread(self) -> dict[str, int]:
        """Return for each thread how many posts of others were not read on this device, if any were not."""
        return await self._query(partial(unread_counts, self._file, self.subject))

    async def mark_read(self, thread: str, *, number: int | None = None) -> None:
        """Say that a thread was read, up to the post of that number or to its end. No other device is told."""
        await self._worker.call(self._file.mark_read, thread, number)
        self._put([thread])

    # What happens

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[ThreadFeed]:
        """Follow which threads change, here and elsewhere: `async with discussions.changes() as feed`."""
        with listening(self._feeds, ThreadFeed()) as feed:
            yield feed

    def reconnect(self) -> None:
        """Try to connect and to send at once, as `Library.reconnect` does."""
        super().reconnect()
        self._outbox.wake()

    # Inside

    async def _act(self, do: str, **what: str) -> str:
        action = {"id": f"{self._random.getrandbits(128):032x}", "do": do, **checked(what)}
        await self._worker.call(self._file.put, action, time.time_ns() // 1_000_000)
        await self._changed(action)
        return str(action["id"])

    async def _query(self, read: Callable[[], Result]) -> Result:
        return await self._worker.call(self._file.query, read)

    async def _keep_in_step(self, connect: Connect) -> None:
        replica = ThreadsReplica(self._worker, self._file, self._came)
        await self._sync(connect, replica, Presence(self._random.getrandbits(32), self._now), self._token)

    def _linked(self, link: Link) -> None:
        if link.state is State.STOPPED:
            self._was_stopped = True
        elif link.state is State.CONNECTED and self.status.state is not State.CONNECTED:
            self._outbox.wake()  # the relay can be reached again
            if self._was_stopped:
                self._was_stopped = False
                self._outbox.open_again()
        super()._linked(link)

    async def _came(self, came: Came) -> None:
        self._put(came.threads)
        await self._refresh()

    async def _sent(self, action: Mapping[str, Any] | None) -> None:
        """What waits has changed: `action` is done or refused, or, if it is None, cannot be sent now."""
        if action is None:
            self._tell_status()
        else:
            await self._changed(action)

    async def _changed(self, action: Mapping[str, Any] | None = None) -> None:
        """Tell that the outbox has changed, and what is shown with it."""
        if action is not None:
            of = action["id"] if action["do"] == "open" else action.get("thread")
            self._put([of] if of else [])
        else:
            self._put(each.id for each in await self.threads())
        self._outbox.wake()
        await self._refresh()

    def _put(self, ids: Iterable[str]) -> None:
        found = list(ids)
        for feed in self._feeds:
            feed.put(found)

    def _read_counts(self) -> tuple[int, int]:
        """Return how many actions wait, and how many were refused."""
        return self._file.counts()

    def _waits_to_be_sent(self, status: DiscussionStatus) -> bool:
        return status.waiting > 0 and self._outbox.trouble is None

    def _status_of(self, link: Link) -> DiscussionStatus:
        waiting, refused = self._counts
        error = link.last_error or (self._outbox.trouble if waiting else None)
        return DiscussionStatus(link.state, waiting, refused, link.transport, error, link.retry_in_s)
