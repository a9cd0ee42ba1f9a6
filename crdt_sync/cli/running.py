"""What commands share: which library, how it is opened, and how an error reaches a person."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated, NoReturn

import anyio
import typer

from crdt_sync import CrdtSyncError, Library, open_library
from crdt_sync.cli.settings import Settings, default_library
from crdt_sync.errors import LibraryError, NotFound

__all__ = [
    "DEFAULT",
    "NOT_IN_STEP",
    "ItemId",
    "Json",
    "LibraryPath",
    "full_id",
    "run",
    "with_libraries",
    "with_library",
]

LibraryPath = Annotated[
    Path,
    typer.Option("--library", "-L", help="The library's file.", envvar="CRDT_SYNC_LIBRARY", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
ItemId = Annotated[str, typer.Argument(help="The item's id, or the first characters of it.")]
DEFAULT = default_library()
NOT_IN_STEP = 3
INTERRUPTED = 130


async def full_id(opened: Library, start: str) -> str:
    """Complete an id from its first characters. Raises `NotFound` if that names no item, or several."""
    found = await opened.ids_starting_with(start)
    if start in found:
        return start
    if len(found) != 1:
        raise NotFound(f"{len(found) or 'no'} items have an id that starts with {start!r}; `list` shows the ids")
    return found[0]


def with_library(
    library: Path,
    work: Callable[[Library], Awaitable[None]],
    *,
    online: bool = False,
    until_interrupted: bool = False,
    caught: type[CrdtSyncError] | tuple[()] = (),
) -> None:
    """Open the library, connected if `online`, and do `work` with it; errors that are `caught` are raised.

    `until_interrupted` is for work that Ctrl-C ends as it should.
    """

    async def opened() -> None:
        async with _open(library, online=online) as library_:
            await work(library_)

    run(opened, until_interrupted=until_interrupted, caught=caught)


def with_libraries(own: Path, group: Path, work: Callable[[Library, Library], Awaitable[None]]) -> None:
    """Open one's own library, and a group's, connected, and do `work` with both."""

    async def opened() -> None:
        async with _open(own, online=False) as own_, _open(group, online=True) as group_:
            await work(own_, group_)

    run(opened)


def run(
    work: Callable[[], Awaitable[None]],
    *,
    until_interrupted: bool = False,
    caught: type[CrdtSyncError] | tuple[()] = (),
) -> None:
    """Run `work`; an error becomes one line on standard error and exit status 1; `caught` ones are raised.

    Ctrl-C is status 130, since what was asked is not done, or 0 for work that runs `until_interrupted`.
    """

    async def call() -> None:
        await work()

    try:
        anyio.run(call)
    except caught:
        raise
    except BrokenPipeError:  # nobody reads on, as behind `| head`; the command line's own library ends in silence then
        raise
    except (CrdtSyncError, OSError) as error:
        _fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(0 if until_interrupted else INTERRUPTED) from None


def _open(library: Path, *, online: bool) -> AbstractAsyncContextManager[Library]:
    settings = Settings.load(library)
    if not online:
        return open_library(library, author=settings.author)
    if settings.relay is None:
        raise LibraryError("no relay is named for this library; name one with: crdt-sync init --relay URL --room NAME")
    return open_library(
        library,
        relay=settings.relay,
        room=settings.room,
        subject=settings.subject,
        author=settings.author,
        token=os.environ.get("CRDT_SYNC_TOKEN"),
    )


def _fail(message: str) -> NoReturn:
    typer.echo(f"crdt-sync: {message}", err=True)
    raise typer.Exit(1)
