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
from typing import Any, TypeVar

import anyio
import httpx

from crdt_sync.errors import InvalidEdit
from crdt_sync.feeds import DiscussionStatus, Follower, Latest, ThreadFeed
from crdt_sync.groups import telling_error
from crdt_sync.outbox import Outbox
from crdt_sync.storage.binding import Binding
from crdt_sync.storage.discussion_file import Came, DiscussionFile, Waiting
from crdt_sync.storage.discussion_views import Post, PostState, Thread, posts_of, threads, unread_counts
from crdt_sync.sync.actions import Actions
from crdt_sync.sync.fallback import FallbackConnect
from crdt_sync.sync.loop import Link, State, SyncLoop, Token
from crdt_sync.sync.polling import PollingConnect
from crdt_sync.sync.presence import Presence
from crdt_sync.sync.websocket import WebSocketConnect
from crdt_sync.threads_replica import ThreadsReplica
from crdt_sync.worker import Worker

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

MAX_TEXT_BYTES = 16 * 1024
"""Of one post, as the relay takes it."""

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
            client = await stack.enter_async_context(httpx.AsyncClient(timeout=10))
        try:
            actions = Actions(relay, group, client)
        except ValueError as error:
            raise InvalidEdit(str(error)) from None
        worker = Worker("crdt-sync discussions")
        worker.start()
        stack.push_async_callback(worker.stop)
        binding = Binding(relay.rstrip("/"), group, subject)
        file = await worker.call(DiscussionFile, Path(path), binding)
        stack.push_async_callback(worker.call, file.close)
        discussions = Discussions(worker, file, actions, random, subject=subject, token=token)
        await discussions._refresh()
        try:
            async with discussions._running(binding, client, close_within_s):
                yield discussions
        except BaseExceptionGroup as group_of_errors:  # an error of the caller's block comes out as it was raised
            raise telling_error(group_of_errors) from group_of_errors.__cause__


class Discussions:
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
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.subject = subject
        self._worker = worker
        self._file = file
        self._outbox = Outbox(worker, file, actions, token=token, random=random, changed=self._sent)
        self._random = random
        self._token = token
        self._now = now
        self._loop: SyncLoop | None = None
        self._fallback: FallbackConnect | None = None
        self._feeds: list[ThreadFeed] = []
        self._readings = self._told = 0
        self._counts = (0, 0)
        self._status = Latest(self._status_now())

    # Actions

    async def open_thread(self, highlight: str, text: str) -> str:
        """Begin a thread on a highlight of the group; return its id, which is that of its first post too."""
        return await self._act("open", highlight=highlight, text=_checked(text))

    async def reply(self, thread: str, text: str, *, parent: str | None = None) -> str:
        """Post in a thread, in answer to the post `parent` if one is named; return the post's id."""
        more = {} if parent is None else {"parent": parent}
        return await self._act("reply", thread=thread, text=_checked(text), **more)

    async def edit(self, post: str, text: str) -> str:
        """Give one's own post another text."""
        return await self._act("edit", post=post, text=_checked(text))

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
        feed = ThreadFeed()
        self._feeds.append(feed)
        try:
            yield feed
        finally:
            self._feeds.remove(feed)

    @property
    def status(self) -> DiscussionStatus:
        """How the discussions stand now."""
        return self._status.value

    def status_changes(self) -> Follower[DiscussionStatus]:
        """Yield the status now and whenever it has changed."""
        return self._status.follow()

    def reconnect(self) -> None:
        """Try to connect and to send at once and not after the back-off."""
        if self._loop is not None:
            self._loop.wake()
        if self._fallback is not None:
            self._fallback.retry()
        self._outbox.wake()

    # Inside

    async def _act(self, do: str, **what: Any) -> str:
        for name, value in what.items():
            _check_characters(name, value)
        action = {"id": f"{self._random.getrandbits(128):032x}", "do": do, **what}
        await self._worker.call(self._file.put, action, time.time_ns() // 1_000_000)
        await self._changed(action)
        return str(action["id"])

    async def _query(self, read: Callable[[], Result]) -> Result:
        return await self._worker.call(self._file.query, read)

    @asynccontextmanager
    async def _running(self, binding: Binding, client: httpx.AsyncClient, close_within_s: float) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow, binding, client)
            tasks.start_soon(self._outbox.run)
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    await self._leave(close_within_s)
                tasks.cancel_scope.cancel()

    async def _leave(self, within_s: float) -> None:
        with anyio.move_on_after(within_s):
            async for status in self.status_changes():
                on_its_way = status.state in (State.CONNECTING, State.SYNCING, State.CONNECTED)
                if not status.waiting or not on_its_way or self._outbox.trouble is not None:
                    break
            if self._loop is not None:
                await self._loop.leave()

    async def _follow(self, binding: Binding, client: httpx.AsyncClient) -> None:
        room = f"{binding.room}/threads"
        self._fallback = FallbackConnect(
            WebSocketConnect(binding.relay, room, client),
            PollingConnect(binding.relay, room, client, random=self._random),
            random=self._random,
            now=self._now,
        )
        self._loop = SyncLoop(
            self._fallback,
            ThreadsReplica(self._worker, self._file, self._came),
            Presence(self._random.getrandbits(32), self._now),
            token=self._token,
            random=self._random,
            now=self._now,
            report=self._linked,
        )
        await self._loop.run()

    def _linked(self, link: Link) -> None:
        if link.state is State.CONNECTED and self._status.value.state is not State.CONNECTED:
            self._outbox.wake()  # the relay can be reached again
        self._status.set(self._status_now(link))

    async def _came(self, came: Came) -> None:
        self._put(came.threads)
        await self._refresh()

    async def _sent(self, action: Mapping[str, Any] | None) -> None:
        """What waits has changed: `action` is done or refused, or, if it is None, cannot be sent now."""
        if action is None:
            self._status.set(self._status_now())
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

    async def _refresh(self) -> None:
        number, *counts = await self._worker.call(self._read_counts)
        if number > self._told:  # a loop may wake in any order those whose calls are done
            self._told, self._counts = number, (counts[0], counts[1])
        self._status.set(self._status_now())

    def _read_counts(self) -> tuple[int, int, int]:
        """Return the number of this reading, and the counts. It runs on the worker's thread."""
        self._readings += 1
        return self._readings, *self._file.counts()

    def _status_now(self, link: Link | None = None) -> DiscussionStatus:
        link = link or (self._loop.link if self._loop is not None else Link(State.CONNECTING))
        waiting, refused = self._counts
        error = link.last_error or (self._outbox.trouble if waiting else None)
        return DiscussionStatus(link.state, waiting, refused, link.transport, error, link.retry_in_s)


def _check_characters(name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidEdit(f"a {name} is Unicode; this has half of a character, {value!r}") from None


def _checked(text: str) -> str:
    if not text.strip():
        raise InvalidEdit("a post says something; this is empty")
    if len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
        raise InvalidEdit(f"a post has at most {MAX_TEXT_BYTES} bytes of text; make it two")
    return text
