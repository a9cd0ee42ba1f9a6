"""A library of highlights and notes, on this device and, where a relay is named, in step with others.

This is the composition root of the engine: the one place that puts document, file and connection together.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random, SystemRandom
from typing import Literal, TypeAlias, TypeVar, get_args

import anyio
import httpx

from crdt_sync.document import (
    AddHighlight,
    AddNote,
    Anchor,
    AppendToNote,
    Edit,
    Highlight,
    Note,
    Purge,
    Restore,
    Trash,
)
from crdt_sync.errors import InvalidEdit, StorageError
from crdt_sync.feeds import ChangeFeed, Follower, Latest, Status
from crdt_sync.formats import Formats
from crdt_sync.groups import telling_error
from crdt_sync.replica import StoreReplica
from crdt_sync.storage.binding import Binding
from crdt_sync.storage.database import Durability
from crdt_sync.storage.read_model import Counts, ReadModel, SearchHit
from crdt_sync.storage.store import Applied, LibraryStore
from crdt_sync.sync.credentials import Token
from crdt_sync.sync.fallback import FallbackConnect
from crdt_sync.sync.loop import Link, State, SyncLoop
from crdt_sync.sync.polling import PollingConnect
from crdt_sync.sync.presence import Presence
from crdt_sync.sync.transport import Connect, room_url
from crdt_sync.sync.websocket import WebSocketConnect
from crdt_sync.upkeep import Upkeep
from crdt_sync.worker import Worker

__all__ = ["Library", "open_library"]

logger = logging.getLogger("crdt_sync")

Result = TypeVar("Result")
TransportChoice: TypeAlias = Literal["auto", "websocket", "polling"]

FOLLOW_EVERY_S = 0.2
"""How soon the edits of another process on the same file are noticed."""
READ_ONLY = "this account is read-only here: what is edited stays on this device until it may edit"


@asynccontextmanager
async def open_library(
    path: str | Path,
    *,
    relay: str | None = None,
    room: str | None = None,
    token: Token = None,
    subject: str | None = None,
    author: str = "",
    durability: Durability = "full",
    close_within_s: float = 5.0,
    transport: TransportChoice = "auto",
    client: httpx.AsyncClient | None = None,
    random: Random | None = None,
) -> AsyncIterator[Library]:
    """Open the library file at `path`, and keep it in step with `room` of `relay` while the block lasts.

    Without a relay it works offline. `token` is a token or a callable, async or not, that is asked for one at each
    attempt to connect and before one expires. `subject` names the account: the file belongs to relay, room and subject
    from its first completed sync on. A file that may not be written is opened for queries alone, without a relay.
    `durability` is what an edit survives once its call has returned: `full` a power cut, `normal` the death of the
    process. Leaving the block waits up to `close_within_s` for the relay to confirm what is pending. `transport` is
    `auto`, a WebSocket and HTTP polling where the network lets no WebSocket through, or one of `websocket` and
    `polling`.

    Raises `StorageError` if the file cannot be used, `BoundElsewhere` if it belongs elsewhere, and `InvalidEdit` if
    relay, room or transport make no sense. Errors of the network are never raised: they are in `library.status`.
    """
    if transport not in get_args(TransportChoice):
        raise InvalidEdit(f"transport is one of {', '.join(get_args(TransportChoice))}; this is {transport!r}")
    binding = None
    if relay is not None:
        if not room:
            raise InvalidEdit("a relay was named without a room; say which with room=")
        try:
            room_url(relay, room)
        except ValueError as error:
            raise InvalidEdit(str(error)) from None
        binding = Binding(relay.rstrip("/"), room, subject)
    random = random or SystemRandom()
    async with AsyncExitStack() as stack:
        worker = Worker("crdt-sync")
        worker.start()
        stack.push_async_callback(worker.stop)
        store = await worker.call(
            partial(LibraryStore, Path(path), durability=durability, author=author, random=random)
        )
        stack.push_async_callback(worker.call, store.close)
        connect: Connect | None = None
        if binding is not None:
            await worker.call(store.sync_with, binding)
            store.check_writable()
            if client is None:
                client = await stack.enter_async_context(httpx.AsyncClient(timeout=10))
        library = Library(worker, store, random, binding=binding, close_within_s=close_within_s)
        if binding is not None and client is not None:
            connect = library._connect(binding, client, transport)
        await library._refresh()
        try:
            async with library._running(binding, connect, token):
                yield library
        except BaseExceptionGroup as group:  # an error of the caller's block comes out as it was raised
            raise telling_error(group) from group.__cause__


class Library(Upkeep, Formats):
    """An open library. Get one from `open_library`; use it from that event loop.

    What `Upkeep` has for its file's long life, from `verify` to `export_updates`, is a part of it; so is what `Formats`
    has for the formats of other programs.
    """

    def __init__(
        self,
        worker: Worker,
        store: LibraryStore,
        random: Random,
        *,
        binding: Binding | None,
        close_within_s: float = 5.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.close_within_s = close_within_s
        """How long leaving the block may wait for the relay, in seconds."""
        self._worker = worker
        self._store = store
        self._random = random
        self._binding = binding
        self._now = now
        self._replica: StoreReplica | None = None
        self._loop: SyncLoop | None = None
        self._fallback: FallbackConnect | None = None
        self._readings = self._told = 0
        self._pending = 0
        self._durable_at_ms: int | None = None
        self._feeds: list[ChangeFeed] = []
        self._status = Latest(self._status_of(self._link()))
        self.presence = Presence(random.getrandbits(32), now, None if binding is None else binding.subject)

    # Edits

    async def edit(self, *edits: Edit) -> tuple[str, ...]:
        """Make the edits, all or none; return the ids of their items once everything is durable in the file.

        Raises `NotFound`, `InvalidEdit`, `ReadOnlyLibrary` or `StorageError`; then nothing has changed.
        """

        def edit() -> tuple[Applied, tuple[int, int, int | None]]:
            return self._store.edit(*edits), self._read_counters()

        applied, counters = await self._worker.call(edit)
        self._tell(applied, counters)
        return applied.ids

    async def add_highlight(
        self, anchor: Anchor, *, color: str = "yellow", tags: Sequence[str] = (), comment: str = ""
    ) -> str:
        """Mark a passage; return the highlight's id."""
        return (await self.edit(AddHighlight(anchor, color=color, tags=tuple(tags), comment=comment)))[0]

    async def add_note(self, text: str, *, title: str = "", highlight_id: str | None = None) -> str:
        """Write a note, of a highlight or free; return its id."""
        return (await self.edit(AddNote(text, title=title, highlight_id=highlight_id)))[0]

    async def append_to_note(self, note_id: str, text: str) -> None:
        """Add paragraphs, one for each line, at the end of a note."""
        await self.edit(AppendToNote(note_id, text))

    async def delete(self, item_id: str) -> None:
        """Move a highlight or note to the trash."""
        await self.edit(Trash(item_id))

    async def restore(self, item_id: str) -> None:
        """Take a highlight or note out of the trash."""
        await self.edit(Restore(item_id))

    async def purge(self, item_id: str) -> None:
        """Destroy a highlight or note, with whatever another device is writing into it at the same time."""
        await self.edit(Purge(item_id))

    # Queries

    async def highlight(self, item_id: str) -> Highlight | None:
        """Return a highlight, in the trash or not, or None."""
        return await self._query(lambda read: read.highlight(item_id))

    async def highlights(
        self,
        *,
        work: str | None = None,
        within: str | None = None,
        color: str | None = None,
        tag: str | None = None,
        trashed: bool = False,
        limit: int = -1,
    ) -> list[Highlight]:
        """Return highlights by place; `within="Gen.1"` gives those of the chapter."""
        return await self._query(
            lambda read: read.highlights(work=work, within=within, color=color, tag=tag, trashed=trashed, limit=limit)
        )

    async def note(self, item_id: str) -> Note | None:
        """Return a note, in the trash or not, or None."""
        return await self._query(lambda read: read.note(item_id))

    async def notes(self, *, highlight_id: str | None = None, trashed: bool = False, limit: int = -1) -> list[Note]:
        """Return notes, the newest first, of one highlight or all."""
        return await self._query(lambda read: read.notes(highlight_id=highlight_id, trashed=trashed, limit=limit))

    async def search(self, text: str, *, limit: int = 50) -> list[SearchHit]:
        """Return what holds all the words of `text`, the best first."""
        return await self._query(lambda read: read.search(text, limit=limit))

    async def ids_starting_with(self, start: str) -> list[str]:
        """Return up to ten ids, of highlights and notes, that begin like this."""
        return await self._query(lambda read: read.ids_starting_with(start))

    async def counts(self) -> Counts:
        """Return how many items there are."""
        return await self._query(lambda read: read.counts())

    # What happens

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[ChangeFeed]:
        """Follow what changes, here and elsewhere: `async with library.changes() as feed: await feed.take()`."""
        feed = ChangeFeed()
        await self._worker.call(self._store.load)  # or another process's edits could not be told apart
        self._feeds.append(feed)
        try:
            yield feed
        finally:
            self._feeds.remove(feed)

    @property
    def status(self) -> Status:
        """How the library stands now."""
        return self._status.value

    def status_changes(self) -> Follower[Status]:
        """Yield the status now and whenever it has changed."""
        return self._status.follow()

    async def synced(self, timeout_s: float) -> bool:
        """Wait until all edits are durable on the relay; return whether that was so within `timeout_s`.

        It does not wait for what cannot come: without a relay, after a refusal for good, while somebody must sign in,
        for edits of an account that is read-only there, and where the relay is one that does not confirm what it
        stores, it returns False at once.
        """
        with anyio.move_on_after(timeout_s):
            async for status in self.status_changes():
                if status.state is State.CONNECTED and status.confirms_storage and not status.pending:
                    return True
                is_over = status.state in (State.OFFLINE, State.STOPPED, State.SIGN_IN)
                if is_over or status.confirms_storage is False:
                    return False
                if status.last_error == READ_ONLY:
                    return False
        return False

    def reconnect(self) -> None:
        """Try to connect at once: the network has changed, the machine has slept, or somebody has signed in.

        If it polls, it tries a WebSocket at once.
        """
        if self._loop is not None:
            self._loop.wake()
        if self._fallback is not None:
            self._fallback.retry()

    # Inside

    async def _query(self, read: Callable[[ReadModel], Result]) -> Result:
        return await self._worker.call(self._store.query, read)

    @asynccontextmanager
    async def _running(self, binding: Binding | None, connect: Connect | None, token: Token) -> AsyncIterator[None]:
        """Follow the file and keep in step with the relay while the block lasts."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow)
            if binding is not None and connect is not None:
                tasks.start_soon(self._sync, binding, connect, token)
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    await self._leave(self.close_within_s)
                tasks.cancel_scope.cancel()

    async def _sync(self, binding: Binding, connect: Connect, token: Token) -> None:
        self._replica = StoreReplica(self._worker, self._store, binding, self._applied)
        self._loop = SyncLoop(
            connect,
            self._replica,
            self.presence,
            token=token,
            random=self._random,
            now=self._now,
            report=lambda link: self._status.set(self._status_of(link)),
        )
        await self._loop.run()

    def _connect(self, binding: Binding, client: httpx.AsyncClient, transport: TransportChoice) -> Connect:
        websocket = WebSocketConnect(binding.relay, binding.room, client)
        polling = PollingConnect(binding.relay, binding.room, client, random=self._random)
        if transport != "auto":
            return websocket if transport == "websocket" else polling
        self._fallback = FallbackConnect(websocket, polling, random=self._random, now=self._now)
        return self._fallback

    async def _leave(self, within_s: float) -> None:
        """Let what is pending reach the relay while that may still happen, say goodbye, all within a bounded time."""
        with anyio.move_on_after(within_s):
            async for status in self.status_changes():
                on_its_way = status.state in (State.CONNECTING, State.SYNCING, State.CONNECTED)
                if not on_its_way or not status.pending or status.confirms_storage is False:
                    break
            if self._loop is not None:
                await self._loop.leave()

    async def _follow(self) -> None:
        def look() -> tuple[Applied, tuple[int, int, int | None]]:
            return self._store.follow(), self._read_counters()  # another process may have synced, or signed out

        while True:
            await anyio.sleep(FOLLOW_EVERY_S)
            try:
                self._tell(*await self._worker.call(look))
            except StorageError as error:  # a reader that cannot look now looks again; an edit would say it aloud
                logger.warning("the file could not be followed: %s", error)

    async def _applied(self, applied: Applied) -> None:
        self._tell(applied, await self._worker.call(self._read_counters))

    async def _refresh(self) -> None:
        await self._applied(Applied())

    def _read_counters(self) -> tuple[int, int, int | None]:
        """Return the number of this reading, `pending` and `durable_at_ms`. It runs on the worker's thread."""
        self._readings += 1
        return self._readings, *self._store.counters()

    def _tell(self, applied: Applied, counters: tuple[int, int, int | None]) -> None:
        if applied.changes:
            for feed in self._feeds:
                feed.put(applied.changes)
        if self._replica is not None and (applied.appended or applied.changes):
            self._replica.rows()
        if counters[0] > self._told:  # a loop may wake in any order those whose calls are done
            self._told, self._pending, self._durable_at_ms = counters
        self._status.set(self._status_of(self._link()))

    def _link(self) -> Link:
        if self._loop is not None:
            return self._loop.link
        return Link(State.CONNECTING if self._binding is not None else State.OFFLINE)

    def _status_of(self, link: Link) -> Status:
        error = link.last_error
        if self._pending and not link.takes_edits and link.state is State.CONNECTED:
            error = error or READ_ONLY
        return Status(
            state=link.state,
            pending=self._pending,
            durable_at_ms=self._durable_at_ms,
            confirms_storage=link.confirms_storage,
            transport=link.transport,
            last_error=error,
            retry_in_s=link.retry_in_s,
        )
