"""Groups and copies for programs that have no event loop: `crdt_sync.sharing`, method for method."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from crdt_sync import sharing as asynchronous
from crdt_sync.blocking.library import Library
from crdt_sync.blocking.loop_thread import Backend, LoopThread
from crdt_sync.blocking.twins import twin
from crdt_sync.sharing.copying import Copied, chosen, take_in
from crdt_sync.sync.credentials import Token

if TYPE_CHECKING:
    import httpx

__all__ = ["Groups", "copy_into_group", "open_groups"]


END_WITHIN_S = 5.0


def open_groups(
    relay: str, *, token: Token = None, client: httpx.AsyncClient | None = None, backend: Backend = "asyncio"
) -> Groups:
    """Talk to the groups of `relay` until `close`, or for a `with` block; else as `crdt_sync.sharing.open_groups`."""
    return Groups(LoopThread(asynchronous.open_groups(relay, token=token, client=client), backend))


class Groups:
    """The groups of one relay, as one account sees them. Get one from `open_groups`; any thread may use it.

    Every method raises `SharingError`; a kind of it says what to do.
    """

    def __init__(self, loop: LoopThread[asynchronous.Groups]) -> None:
        self._loop = loop
        self._opened = loop.start()

    def __enter__(self) -> Groups:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    me = twin(asynchronous.Groups.me)
    rooms = twin(asynchronous.Groups.rooms)
    create = twin(asynchronous.Groups.create)
    about = twin(asynchronous.Groups.about)
    rename = twin(asynchronous.Groups.rename)
    delete = twin(asynchronous.Groups.delete)
    members = twin(asynchronous.Groups.members)
    set_role = twin(asynchronous.Groups.set_role)
    remove = twin(asynchronous.Groups.remove)
    leave = twin(asynchronous.Groups.leave)
    invite = twin(asynchronous.Groups.invite)
    invitations = twin(asynchronous.Groups.invitations)
    revoke = twin(asynchronous.Groups.revoke)
    accept = twin(asynchronous.Groups.accept)

    def close(self) -> None:
        """End. Calls of other threads that wait for the relay raise `LibraryClosed`."""
        self._loop.stop()
        self._loop.join(END_WITHIN_S)


def copy_into_group(
    own: Library,
    group: Library,
    ids: str | Sequence[str] = (),
    *,
    work: str | None = None,
    within: str | None = None,
    tag: str | None = None,
    color: str | None = None,
    collection: str | None = None,
    update: bool = False,
) -> Copied:
    """Copy highlights of `own` into the library of a group, as `crdt_sync.sharing.copy_into_group` does."""
    choose = partial(chosen, own._opened, ids, work=work, within=within, tag=tag, color=color, collection=collection)
    found = own._loop.call(choose)
    return group._loop.call(partial(take_in, group._opened, found, own=own.binding(), update=update))
