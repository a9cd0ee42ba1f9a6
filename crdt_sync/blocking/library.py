"""The library of `crdt_sync`, method for method, for programs that have no event loop.

The methods are made from the asynchronous ones, so that there is one logic, one signature and one docstring of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from crdt_sync import library as asynchronous
from crdt_sync.blocking.delivery import Deliver
from crdt_sync.blocking.live import Live
from crdt_sync.blocking.loop_thread import Backend, LoopThread, do
from crdt_sync.blocking.news import changes_of, presence_of
from crdt_sync.blocking.reading import Reading
from crdt_sync.blocking.twins import twin
from crdt_sync.document import Change
from crdt_sync.feeds import Status
from crdt_sync.library import TransportChoice
from crdt_sync.storage.database import Durability
from crdt_sync.sync.credentials import Token
from crdt_sync.sync.presence import Person, PresenceChange

if TYPE_CHECKING:
    import httpx

__all__ = ["Backend", "Library", "Presence", "Reading", "open_library"]


def open_library(
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
    backend: Backend = "asyncio",
    deliver: Deliver | None = None,
) -> Library:
    """Open the library file at `path`; use it as a `with` block, or `close` it.

    All but the last two is as in `crdt_sync.open_library`. A `token` callable runs on the library's own thread, and
    must not call the library. `backend` is the event loop on that thread. `deliver` takes a function and has it run on
    the thread that callbacks shall come on; `CallbackQueue().put` is one, for a thread that drains the queue.

    Raises what `crdt_sync.open_library` raises.
    """
    opening = asynchronous.open_library(
        path,
        relay=relay,
        room=room,
        token=token,
        subject=subject,
        author=author,
        durability=durability,
        close_within_s=close_within_s,
        transport=transport,
        client=client,
        random=random,
    )
    return Library(LoopThread(opening, backend), deliver)


class Library(Live[asynchronous.Library, Status]):
    """An open library. Get one from `open_library`; any thread may use it. Calls wait, return values and raise.

    Each raises `LibraryClosed` once the library is closed, and `WrongThread` on the library's own thread.
    """

    def __init__(self, loop: LoopThread[asynchronous.Library], deliver: Deliver | None) -> None:
        super().__init__(loop, deliver)
        self.presence = Presence(self._loop, self._opened)
        self.reading = Reading(self._loop, self._opened)

    # The twins of the asynchronous library

    edit = twin(asynchronous.Library.edit)
    add_highlight = twin(asynchronous.Library.add_highlight)
    add_note = twin(asynchronous.Library.add_note)
    append_to_note = twin(asynchronous.Library.append_to_note)
    delete = twin(asynchronous.Library.delete)
    restore = twin(asynchronous.Library.restore)
    purge = twin(asynchronous.Library.purge)
    highlight = twin(asynchronous.Library.highlight)
    highlights = twin(asynchronous.Library.highlights)
    reanchor = twin(asynchronous.Library.reanchor)
    note = twin(asynchronous.Library.note)
    notes = twin(asynchronous.Library.notes)
    search = twin(asynchronous.Library.search)
    ids_starting_with = twin(asynchronous.Library.ids_starting_with)
    counts = twin(asynchronous.Library.counts)
    rename_collection = twin(asynchronous.Library.rename_collection)
    add_collection = twin(asynchronous.Library.add_collection)
    add_to_collection = twin(asynchronous.Library.add_to_collection)
    remove_from_collection = twin(asynchronous.Library.remove_from_collection)
    collection = twin(asynchronous.Library.collection)
    collections = twin(asynchronous.Library.collections)
    collection_items = twin(asynchronous.Library.collection_items)
    collection_size = twin(asynchronous.Library.collection_size)
    works = twin(asynchronous.Library.works)
    tags = twin(asynchronous.Library.tags)
    colors = twin(asynchronous.Library.colors)
    links = twin(asynchronous.Library.links)
    backlinks = twin(asynchronous.Library.backlinks)
    dangling_links = twin(asynchronous.Library.dangling_links)
    binding = twin(asynchronous.Library.binding)
    verify = twin(asynchronous.Library.verify)
    compact = twin(asynchronous.Library.compact)
    devices = twin(asynchronous.Library.devices)
    unsaved = twin(asynchronous.Library.unsaved)
    sign_out = twin(asynchronous.Library.sign_out)
    rescued = twin(asynchronous.Library.rescued)
    take_rescued = twin(asynchronous.Library.take_rescued)
    state_vector = twin(asynchronous.Library.state_vector)
    export_updates = twin(asynchronous.Library.export_updates)
    apply_updates = twin(asynchronous.Library.apply_updates)
    undo = twin(asynchronous.Library.undo)
    redo = twin(asynchronous.Library.redo)
    steps = twin(asynchronous.Library.steps)
    forget_steps = twin(asynchronous.Library.forget_steps)
    trash = twin(asynchronous.Library.trash)
    empty_trash = twin(asynchronous.Library.empty_trash)
    purge_everywhere = twin(asynchronous.Library.purge_everywhere)
    save_version = twin(asynchronous.Library.save_version)
    versions = twin(asynchronous.Library.versions)
    delete_version = twin(asynchronous.Library.delete_version)
    at_version = twin(asynchronous.Library.at_version)
    restore_version = twin(asynchronous.Library.restore_version)
    add_bookmark = twin(asynchronous.Library.add_bookmark)
    rename_bookmark = twin(asynchronous.Library.rename_bookmark)
    bookmarks = twin(asynchronous.Library.bookmarks)
    note_body = twin(asynchronous.Library.note_body)
    note_markdown = twin(asynchronous.Library.note_markdown)
    note_html = twin(asynchronous.Library.note_html)
    edit_note = twin(asynchronous.Library.edit_note)
    synced = twin(asynchronous.Library.synced)
    import_file = twin(asynchronous.Library.import_file)
    export_file = twin(asynchronous.Library.export_file)
    encode = twin(asynchronous.Library.encode)

    # What happens

    def on_change(self, callback: Callable[[tuple[Change, ...]], None]) -> Callable[[], None]:
        """Have `callback` called, where `deliver` says, with what changes from now on; return what ends that.

        While a call is under way, changes are kept once for each item. After `unsubscribe` or `close` has returned no
        callback runs. Raises `InvalidEdit` if the library was opened without `deliver`, and `StorageError`.
        """
        return self._news.listen(changes_of(self._opened), callback)

    def on_presence(self, callback: Callable[[tuple[PresenceChange, ...]], None]) -> Callable[[], None]:
        """Have `callback` called with who is here now, if anyone, and with who comes, changes and leaves.

        Else as `on_change`.
        """
        return self._news.listen(presence_of(self._opened), callback)


class Presence:
    """Who else is here, and what this device shows of itself. To follow it, see `Library.on_presence`."""

    def __init__(self, loop: LoopThread[asynchronous.Library], library: asynchronous.Library) -> None:
        self._loop = loop
        self._presence = library.presence

    @property
    def client_id(self) -> int:
        """The id under which this device shows itself."""
        return self._presence.client_id

    def set(self, state: Mapping[str, Any] | None) -> None:
        """Show `state` (JSON) to the others, or nothing. Raises `InvalidEdit` if it is no JSON or too big."""
        do(self._loop, partial(self._presence.set, state))

    def others(self) -> dict[int, Any]:
        """Return what every other client shows, by its id."""
        return do(self._loop, self._presence.others)

    def show(self, name: str, *, color: str | None = None, avatar: str | None = None, **more: Any) -> None:
        """Show who this is, as `user`, and `more` beside it; see `crdt_sync.sync.presence.Presence.show`."""
        do(self._loop, partial(self._presence.show, name, color=color, avatar=avatar, **more))

    def people(self) -> dict[int, Person]:
        """Return the persons among the others, by client id, with what of them may be shown."""
        return do(self._loop, self._presence.people)
