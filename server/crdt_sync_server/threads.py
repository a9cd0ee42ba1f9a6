"""The threads of a group as a document, in which the relay alone writes: what `discussion` decides is done there.

A decision is made and done within one turn of the room, so it goes out and is kept like everybody's updates: no two
decide on the same state, and what anyone has seen is durable.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from pycrdt import Doc, Map

from crdt_sync_server import authorship
from crdt_sync_server.actions import Action, Do
from crdt_sync_server.discussion import Change, decide
from crdt_sync_server.errors import NoSuchRoom, RoomDeleted
from crdt_sync_server.host import Host
from crdt_sync_server.hosted_room import HostedRoom
from crdt_sync_server.ports import Grant
from crdt_sync_server.rooms import threads_of
from crdt_sync_server.roster import Actor

__all__ = ["DocumentState", "act", "change", "forget", "said"]

RECORD_BYTES = 1024
"""What an action adds beside its text, at most about."""
_GROWS = (Do.OPEN, Do.REPLY, Do.EDIT, Do.REACT)


class DocumentState:
    """`discussion.State` over a document."""

    def __init__(self, doc: Doc[Any]) -> None:
        self._doc = doc

    def get(self, root: str, key: str) -> Any:
        """Return the value, or None."""
        return self._doc.get(root, type=Map).get(key)

    def count(self, root: str) -> int:
        """Return how many keys a root has."""
        return len(self._doc.get(root, type=Map))

    def items(self, root: str) -> Iterable[tuple[str, Any]]:
        """Return all keys of a root with their values."""
        return (self._doc.get(root, type=Map).to_py() or {}).items()


def change(doc: Doc[Any], changes: Iterable[Change]) -> None:
    """Write what was decided. What is taken out or replaced is no longer in the document."""
    for each in changes:
        values = doc.get(each.root, type=Map)
        if each.value is not None:
            values[each.key] = each.value
        elif each.key in values:
            del values[each.key]


async def act(
    host: Host,
    group: str,
    actor: Actor,
    grant: Callable[[], Awaitable[Grant]],
    action: Action,
    now_ms: int,
    client: str | None = None,
) -> None:
    """Do an action on the threads of `group`; on return it is durable.

    `grant` says what `actor` may do there now, and `client` is the address that asks.

    Raises what `grant` raises, `Forbidden` and `DiscussionError` for what is refused, and `RelayError` if it could not
    be stored: ask again with the same action, which is done once.
    """
    room = threads_of(group)
    granted = await grant()
    if room is None:
        raise NoSuchRoom("only a group has threads; name its room, g/<id>")
    size_bytes = RECORD_BYTES + len((action.text or "").encode()) if action.do in _GROWS else 0

    def write(doc: Doc[Any]) -> bool:
        if granted.as_of != host.roles_changed:
            return False  # a role has changed on the way here: perhaps this one
        change(doc, decide(DocumentState(doc), actor, granted.role, action, now_ms))
        return True

    while not await host.room(room, client).write(write, size_bytes=size_bytes, subject=actor.subject):
        granted = await grant()


async def forget(host: Host, group: str, subject: str, now_ms: int) -> bool:
    """Take a deleted subject out of the threads of `group`; return whether it stood there.

    On return that is durable and the log is put together, also if there was nothing to take out: what the subject had
    deleted itself is no longer stored either. It must be no member any more, or it may go on to write. Raises
    `RelayError` if that could not be done; what is done stays done, so ask again.
    """

    def write(doc: Doc[Any]) -> bool:
        changes = authorship.forget(DocumentState(doc), subject, now_ms)
        change(doc, changes)
        return bool(changes)

    room = await _stored(host, group)
    if room is None:
        return False
    try:
        async with room.held():
            stood_there = await room.write(write, size_bytes=0, is_long=True)
            await room.compact()
    except RoomDeleted:  # meanwhile, and all that it held with it
        return False
    return stood_there


async def said(host: Host, group: str, subject: str) -> dict[str, list[dict[str, Any]]] | None:
    """Return what `subject` has in the threads of `group`, or None for nothing. Raises `RelayError`."""

    def read(doc: Doc[Any]) -> dict[str, list[dict[str, Any]]]:
        return authorship.said(DocumentState(doc), subject)

    room = await _stored(host, group)
    if room is None:
        return None
    try:
        found = await room.write(read, size_bytes=0, is_long=True)
    except RoomDeleted:
        return None
    return found if any(found.values()) else None


async def _stored(host: Host, group: str) -> HostedRoom | None:
    """Return the room of a group's threads, if there are any."""
    room = threads_of(group)
    records = await host.store.rooms(room) if room is not None else ()
    return host.room(records[0].name) if records and records[0].deleted_ms is None else None
