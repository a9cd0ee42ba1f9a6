"""A library of highlights and notes, on this device and, where a relay is named, in step with others.

This is the composition root of the engine: the one place that puts document, file and connection together.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any, get_args

import anyio

from crdt_sync.anchoring import Anchoring
from crdt_sync.document import (
    AddHighlight,
    AddNote,
    Anchor,
    AppendToNote,
    Edit,
    Purge,
    Restore,
    Trash,
)
from crdt_sync.errors import InvalidEdit, StorageError
from crdt_sync.feeds import ChangeFeed, Status, listening
from crdt_sync.formats import Formats
from crdt_sync.history import History
from crdt_sync.live import Live, TransportChoice
from crdt_sync.organising import Organising
from crdt_sync.reading import Bookmarks, Reading
from crdt_sync.replica import StoreReplica
from crdt_sync.rich_notes import RichNotes
from crdt_sync.storage.binding import Binding
from crdt_sync.storage.database import Durability
from crdt_sync.storage.store import Applied, LibraryStore
from crdt_sync.sync.credentials import Token
from crdt_sync.sync.loop import Link, State
from crdt_sync.sync.presence import Presence
from crdt_sync.sync.transport import Connect, room_url
from crdt_sync.upkeep import Upkeep
from crdt_sync.worker import Worker

if TYPE_CHECKING:
    import httpx

__all__ = ["Library", "TransportChoice", "open_library"]

logger = logging.getLogger("crdt_sync")

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
        if binding is not None:
            await worker.call(store.sync_with, binding)
            store.check_writable()
            if client is None:
                import httpx  # a third of the time that a command takes, and most never connect

                client = await stack.enter_async_context(httpx.AsyncClient(timeout=10))
        library = Library(worker, store, random, binding=binding, close_within_s=close_within_s)
        tasks: list[Callable[[], Coroutine[Any, Any, None]]] = [library._follow, library.reading._keep]
        if binding is not None and client is not None:
            connect = library._connect(binding.relay, binding.room, client, transport)
            tasks.append(partial(library._keep_in_step, binding, connect, token))
        await library._refresh()
        async with library._running(*tasks):
            yield library


class Library(
    Anchoring, Organising, Bookmarks, History, Upkeep, Formats, RichNotes, Live[Status, tuple[int, int | None]]
):
    """An open library. Get one from `open_library`; use it from that event loop.

    What can be asked of it is in `Queries`; `Anchoring` finds highlights in a text; `Organising` puts things together;
    `RichNotes` has the bodies of notes and `Bookmarks` sets them; `History`, from `undo` to `restore_version`, goes
    back; `Upkeep`, from `verify` to `export_updates`, is for its file's long life; `Formats` are those of other
    programs; and `Live` is how it stands. `reading` says where each device reads.
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
        super().__init__(
            worker,
            random,
            now,
            first_state=State.OFFLINE if binding is None else State.CONNECTING,
            counts=(0, None),
            close_within_s=close_within_s,
        )
        self._store = store
        self._binding = binding
        self._replica: StoreReplica | None = None
        self._feeds: list[ChangeFeed] = []
        self.reading = Reading(worker, store, self._done)
        self.presence = Presence(random.getrandbits(32), now, None if binding is None else binding.subject)

    # Edits

    async def edit(self, *edits: Edit) -> tuple[str, ...]:
        """Make the edits, all or none; return the ids of their items once everything is durable in the file.

        Raises `NotFound`, `InvalidEdit`, `ReadOnlyLibrary` or `StorageError`; then nothing has changed.
        """

        applied = await self._done(lambda: self._store.edit(*edits))
        return applied.ids

    async def add_highlight(
        self, anchor: Anchor, *, color: str = "yellow", tags: Sequence[str] = (), comment: str = ""
    ) -> str:
        """Mark a passage; return the highlight's id."""
        return (await self.edit(AddHighlight(anchor, color=color, tags=tuple(tags), comment=comment)))[0]

    async def add_note(
        self, text: str, *, title: str = "", highlight_id: str | None = None, markdown: bool = False
    ) -> str:
        """Write a note, of a highlight or free, a paragraph for each line or `markdown`; return its id."""
        return (await self.edit(AddNote(text, title=title, highlight_id=highlight_id, markdown=markdown)))[0]

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

    # What happens

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[ChangeFeed]:
        """Follow what changes, here and elsewhere: `async with library.changes() as feed: await feed.take()`."""
        await self._worker.call(self._store.load)  # or another process's edits could not be told apart
        with listening(self._feeds, ChangeFeed()) as feed:
            yield feed

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

    # Inside

    async def _keep_in_step(self, binding: Binding, connect: Connect, token: Token) -> None:
        self._replica = StoreReplica(self._worker, self._store, binding, self._applied)
        await self._sync(connect, self._replica, self.presence, token)

    async def _leave(self, within_s: float) -> None:
        with anyio.move_on_after(within_s) as scope:
            await self.reading._leave()
        await super()._leave(max(scope.deadline - anyio.current_time(), 0))

    async def _follow(self) -> None:
        while True:
            await anyio.sleep(FOLLOW_EVERY_S)
            try:
                await self._done(self._store.follow)  # another process may also have synced, or signed out
            except StorageError as error:  # a reader that cannot look now looks again; an edit would say it aloud
                logger.warning("the file could not be followed: %s", error)

    async def _done(self, change: Callable[[], Applied]) -> Applied:
        """Have the file changed, and tell of it and of the counts that were then."""

        def call() -> tuple[Applied, tuple[int, tuple[int, int | None]]]:
            return change(), self._numbered_counts()

        applied, counts = await self._worker.call(call)
        if applied.changes:
            for feed in self._feeds:
                feed.put(applied.changes)
        if self._replica is not None and (applied.appended or applied.changes):
            self._replica.rows()
        self._counted(*counts)
        return applied

    async def _applied(self, applied: Applied) -> None:
        await self._done(lambda: applied)

    def _read_counts(self) -> tuple[int, int | None]:
        """Return `pending` and `durable_at_ms`."""
        return self._store.counters()

    def _waits_to_be_sent(self, status: Status) -> bool:
        return status.pending > 0 and status.confirms_storage is not False

    def _status_of(self, link: Link) -> Status:
        pending, durable_at_ms = self._counts
        error = link.last_error
        if pending and not link.takes_edits and link.state is State.CONNECTED:
            error = error or READ_ONLY
        return Status(
            state=link.state,
            pending=pending,
            durable_at_ms=durable_at_ms,
            confirms_storage=link.confirms_storage,
            transport=link.transport,
            last_error=error,
            retry_in_s=link.retry_in_s,
        )
