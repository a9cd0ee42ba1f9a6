"""The threads of a group as a document, which the relay alone writes (docs/protocol.md). Here it is only read.

A document has no rollback: if `take` raises, drop it and load it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pycrdt import Doc, Map, MapEvent, Subscription, TransactionEvent

from crdt_sync.errors import GapError, RemoteProtocolError
from crdt_sync.protocol.update import decode_state_vector, reach, read_update

__all__ = ["ThreadsDocument", "ThreadsTouched"]

_OF_ITEMS = ("threads", "posts", "fields")


@dataclass(slots=True)
class ThreadsTouched:
    """What came: the ids of threads and posts that changed, `(post, person)` of reactions, and why it stopped.

    `updates` are what of it is new: what adds nothing is not kept.
    """

    items: set[str] = field(default_factory=set)
    reactions: set[tuple[str, str]] = field(default_factory=set)
    updates: list[bytes] = field(default_factory=list)
    failure: GapError | RemoteProtocolError | None = None


class ThreadsDocument:
    """A Doc and its state vector. Use it from one thread only."""

    def __init__(self, updates: Iterable[bytes]) -> None:
        """Load the document from `updates`, in their order."""
        self._doc: Doc[Any] = Doc()
        self._roots = {name: self._doc.get(name, type=Map) for name in (*_OF_ITEMS, "reactions")}
        for update in updates:
            self._doc.apply_update(update)
        self._vector = decode_state_vector(self._doc.get_state())
        self._touched = ThreadsTouched()
        self._subscriptions: list[tuple[Any, Subscription]] = [(self._doc, self._doc.observe(self._on_transaction))]
        for name, values in self._roots.items():
            observer = self._on_reactions if name == "reactions" else self._on_items
            self._subscriptions.append((values, values.observe(observer)))

    def close(self) -> None:
        """Let go of the document; without this it and its observers hold one another for ever."""
        for values, subscription in self._subscriptions:
            values.unobserve(subscription)
        self._subscriptions.clear()

    def state_vector(self) -> bytes:
        """Return the encoded state vector."""
        return self._doc.get_state()

    def whole(self) -> bytes:
        """Return the document as one update: what was deleted is not in it."""
        return self._doc.get_update()

    def take(self, updates: Sequence[bytes]) -> ThreadsTouched:
        """Apply updates up to one that does not fit or cannot be read; return what they touched."""
        touched = self._touched = ThreadsTouched()
        for number, update in enumerate(updates):
            try:
                moved = reach(header := read_update(update), self._vector)
            except RemoteProtocolError as error:
                touched.failure = error
                break
            if moved is None:
                touched.failure = GapError("an update lacks one before it", taken=number)
                break
            if not header.is_empty:
                self._doc.apply_update(update)
                self._vector.update(moved)
        return touched

    def everything(self) -> ThreadsTouched:
        """Return all that is there as if it had just come."""
        items = {key.partition("/")[0] for name in _OF_ITEMS for key in self._roots[name]}
        return ThreadsTouched(items, {_reaction(key) for key in self._roots["reactions"]})

    def value(self, root: str, key: str) -> Any:
        """Return a value, or None."""
        return self._roots[root].get(key)

    def _on_transaction(self, event: TransactionEvent) -> None:
        self._touched.updates.append(event.update)

    def _on_items(self, event: MapEvent) -> None:
        keys: Mapping[str, Any] = event.keys  # type: ignore[attr-defined]
        self._touched.items.update(key.partition("/")[0] for key in keys)

    def _on_reactions(self, event: MapEvent) -> None:
        keys: Mapping[str, Any] = event.keys  # type: ignore[attr-defined]
        self._touched.reactions.update(map(_reaction, keys))


def _reaction(key: str) -> tuple[str, str]:
    post, _, person = key.partition("/")
    return post, person
