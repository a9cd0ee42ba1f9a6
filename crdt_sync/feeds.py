"""What a library tells its application, in a form that a slow listener cannot make grow without bound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import anyio

from crdt_sync.document import Change, ChangeKind
from crdt_sync.sync.loop import State
from crdt_sync.sync.presence import PresenceChange, PresenceKind

__all__ = ["ChangeFeed", "DiscussionStatus", "Follower", "Latest", "PresenceFeed", "Status", "ThreadFeed", "listening"]

Feed = TypeVar("Feed")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Status:
    """How a library stands. `pending` edits are not known to be durable on the relay."""

    state: State
    pending: int
    durable_at_ms: int | None
    """When the relay last confirmed that it has stored everything up to then, in milliseconds since 1970."""
    confirms_storage: bool | None
    """False if the relay does not say what it stores: then `pending` does not go down."""
    transport: str | None
    last_error: str | None
    retry_in_s: float | None


class Latest(Generic[Value]):
    """A value that listeners follow; one that is slow sees the latest and not each."""

    def __init__(self, value: Value) -> None:
        self.value = value
        self.changed = anyio.Event()

    def set(self, value: Value) -> None:
        """Take a new value and wake who waits, if it differs."""
        if value != self.value:
            self.value = value
            changed, self.changed = self.changed, anyio.Event()
            changed.set()

    def follow(self) -> Follower[Value]:
        """Yield the value now and whenever it has changed."""
        return Follower(self)


class Follower(Generic[Value]):
    """An iterator over the values of a `Latest`. It holds nothing that must be closed."""

    def __init__(self, source: Latest[Value]) -> None:
        self._source = source
        self._seen: list[Value] = []

    def __aiter__(self) -> Follower[Value]:
        """Return itself."""
        return self

    async def __anext__(self) -> Value:
        """Return the value now at first, then wait until it differs from what was returned last."""
        while self._seen == [self._source.value]:
            await self._source.changed.wait()
        self._seen = [self._source.value]
        return self._source.value


class ChangeFeed:
    """Changes for one listener. What it has not read yet is kept once for each item."""

    def __init__(self) -> None:
        self._waiting: dict[str, Change] = {}
        self._work = anyio.Event()

    def put(self, changes: Iterable[Change]) -> None:
        """Add changes."""
        for change in changes:
            before = self._waiting.pop(change.item_id, None)
            self._waiting[change.item_id] = _joined(before, change) if before else change
        self._work.set()

    async def take(self) -> tuple[Change, ...]:
        """Wait for changes and return all that wait, in the order of the last of each item."""
        while not self._waiting:
            self._work = anyio.Event()
            await self._work.wait()
        changes, self._waiting = tuple(self._waiting.values()), {}
        return changes


@dataclass(frozen=True, slots=True)
class DiscussionStatus:
    """How the discussions stand. `waiting` actions are to be sent, `refused` ones wait for somebody to look at them."""

    state: State
    waiting: int
    refused: int
    transport: str | None = None
    last_error: str | None = None
    retry_in_s: float | None = None


class ThreadFeed:
    """The ids of threads that have changed, for one listener. What it has not read yet is kept once for each."""

    def __init__(self) -> None:
        self._waiting: dict[str, None] = {}
        self._work = anyio.Event()

    def put(self, ids: Iterable[str]) -> None:
        """Add threads."""
        self._waiting.update(dict.fromkeys(ids))
        if self._waiting:
            self._work.set()

    async def take(self) -> tuple[str, ...]:
        """Wait for changes and return the ids of all threads that have any."""
        while not self._waiting:
            self._work = anyio.Event()
            await self._work.wait()
        found, self._waiting = tuple(self._waiting), {}
        return found


class PresenceFeed:
    """Presence for one listener. What it has not read yet is kept once for each client."""

    def __init__(self) -> None:
        self._waiting: dict[int, PresenceChange] = {}
        self._work = anyio.Event()

    def put(self, change: PresenceChange) -> None:
        """Add a change. A client that has come and gone unread was never here."""
        before = self._waiting.pop(change.client_id, None)
        match (before and before.kind, change.kind):
            case (PresenceKind.JOINED, PresenceKind.LEFT):
                return
            case (PresenceKind.JOINED, _):
                change = replace(change, kind=PresenceKind.JOINED)
            case (PresenceKind.LEFT, PresenceKind.JOINED):
                change = replace(change, kind=PresenceKind.UPDATED)
        self._waiting[change.client_id] = change
        self._work.set()

    async def take(self) -> tuple[PresenceChange, ...]:
        """Wait for changes and return all that wait, in the order of the last of each client."""
        while not self._waiting:
            self._work = anyio.Event()
            await self._work.wait()
        changes, self._waiting = tuple(self._waiting.values()), {}
        return changes


@contextmanager
def listening(feeds: list[Feed], feed: Feed) -> Iterator[Feed]:
    """Have `feed` among `feeds` while the block lasts."""
    feeds.append(feed)
    try:
        yield feed
    finally:
        feeds.remove(feed)


def _joined(first: Change, second: Change) -> Change:
    kind = first.kind if (first.kind, second.kind) == (ChangeKind.ADDED, ChangeKind.EDITED) else second.kind
    return replace(
        second, kind=kind, here=first.here and second.here, unsaved_edit=first.unsaved_edit or second.unsaved_edit
    )
