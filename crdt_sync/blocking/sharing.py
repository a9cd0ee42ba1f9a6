"""Groups and copies for programs that have no event loop: `crdt_sync.sharing`, method for method."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial, wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from crdt_sync import sharing as asynchronous
from crdt_sync.blocking.library import Library
from crdt_sync.blocking.loop_thread import Backend, LoopThread
from crdt_sync.sharing.copying import Copied, chosen, take_in
from crdt_sync.sync.credentials import Token

if TYPE_CHECKING:
    import httpx

__all__ = ["Groups", "copy_into_group", "open_groups"]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

END_WITHIN_S = 5.0


def open_groups(
    relay: str, *, token: Token = None, client: httpx.AsyncClient | None = None, backend: Backend = "asyncio"
) -> Groups:
    """Talk to the groups of `relay` until `close`, or for a `with` block; else as `crdt_sync.sharing.open_groups`."""
    return Groups(LoopThread(asynchronous.open_groups(relay, token=token, client=client), backend))


def twin(
    method: Callable[Concatenate[asynchronous.Groups, Parameters], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate[Groups, Parameters], Result]:
    """Return the method that calls `method` on the loop and waits for it."""

    @wraps(method)
    def call(self: Groups, /, *arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
        return self._loop.call(partial(method, self._groups, *arguments, **named))

    return call


class Groups:
    """The groups of one relay, as one account sees them. Get one from `open_groups`; any thread may use it.

    Every method raises `SharingError`; a kind of it says what to do.
    """

    def __init__(self, loop: LoopThread[asynchronous.Groups]) -> None:
        self._loop = loop
        self._groups = loop.start()

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
    choose = partial(chosen, own._library, ids, work=work, within=within, tag=tag, color=color, collection=collection)
    found = own._loop.call(choose)
    return group._loop.call(partial(take_in, group._library, found, own=own.binding(), update=update))
