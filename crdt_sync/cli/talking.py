"""What the commands of `discussions` share: which file, how it is opened, and what becomes of what somebody does."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import anyio
import typer

from crdt_sync import State
from crdt_sync.cli.output import as_json, console, counted
from crdt_sync.cli.running import run
from crdt_sync.cli.settings import Settings
from crdt_sync.discussions import Discussions, DiscussionStatus, Post, open_discussions
from crdt_sync.errors import LibraryError, NotFound

__all__ = [
    "act",
    "catch_up",
    "file_beside",
    "in_step",
    "one_of",
    "opened_beside",
    "own_post",
    "post_of",
    "status_value",
    "status_words",
    "sync_beside",
    "thread_id",
    "with_discussions",
]

STOPPED_WITHIN_S = 2.0
"""How long what waits may take to be refused, once the relay has refused the connection."""

Work = Callable[[Discussions], Awaitable[None]]
Act = Callable[[Discussions], Awaitable[str]]


def file_beside(library: Path) -> Path:
    """Return where the discussions of a group stand, whose library's file this is."""
    return library.with_name(f"{library.name}.threads")


@asynccontextmanager
async def opened_beside(library: Path) -> AsyncIterator[Discussions]:
    """Open the discussions of a group, whose library's file this is. Raises `LibraryError` if it is of no group."""
    settings = Settings.load(library)
    if settings.relay is None or settings.room is None or not settings.room.startswith("g/"):
        raise LibraryError(
            f"{library} is not the library of a group; name that with --library, or make it as `groups accept` says"
        )
    if settings.subject is None:
        raise LibraryError("whose posts are these? Name the account with: crdt-sync init --subject NAME …")
    async with open_discussions(
        file_beside(library),
        relay=settings.relay,
        group=settings.room,
        subject=settings.subject,
        token=os.environ.get("CRDT_SYNC_TOKEN"),
        close_within_s=0,
    ) as discussions:
        yield discussions


async def in_step(discussions: Discussions, within_s: float) -> bool:
    """Fetch and send; return whether all was, and nothing refused. It does not wait for what needs a person."""
    with anyio.move_on_after(within_s) as scope:
        async for status in discussions.status_changes():
            if status.state is State.CONNECTED and not status.waiting:
                return not status.refused
            if status.state in (State.WAITING, State.SIGN_IN):
                return False
            if status.state is State.STOPPED:
                if not status.waiting:
                    return False
                scope.deadline = min(scope.deadline, anyio.current_time() + STOPPED_WITHIN_S)
    return False


async def sync_beside(library: Path, within_s: float) -> tuple[bool, DiscussionStatus] | None:
    """Sync the discussions of a group, whose library's file this is; return whether all was done, and how they stand.

    Return None where there are none.
    """
    if not file_beside(library).exists():
        return None
    async with opened_beside(library) as discussions:
        return await in_step(discussions, within_s), discussions.status


def with_discussions(library: Path, work: Work) -> None:
    async def opened() -> None:
        async with opened_beside(library) as discussions:
            await work(discussions)

    run(opened)


def act(library: Path, timeout_s: float, json: bool, do: Act) -> None:
    """Act, and say what became of it: it is sent, it waits here, or the relay will not do it."""

    async def work(discussions: Discussions) -> None:
        await in_step(discussions, timeout_s)  # it may be about something that has not come yet
        id_ = await do(discussions)
        await in_step(discussions, timeout_s)
        waiting = next((each for each in await discussions.outbox() if each.id == id_), None)
        if waiting is not None and waiting.refusal is not None:
            raise LibraryError(
                f"the relay refuses it: {waiting.refusal}. It is kept: `crdt-sync discussions retry {id_}` sends it "
                "again, and `discard` forgets it"
            )
        if json:
            as_json({"id": id_, "sent": waiting is None})
            return
        console.print(id_)
        if waiting is not None:
            typer.echo(
                f"It waits in the outbox ({status_words(discussions.status)}); `crdt-sync sync` sends it.",
                err=True,
            )

    with_discussions(library, work)


async def catch_up(discussions: Discussions, within_s: float) -> None:
    """Fetch what others have said, if that can be; else say that it was not."""
    await in_step(discussions, within_s)
    if discussions.status.state is not State.CONNECTED:
        typer.echo(f"crdt-sync: as last fetched; {status_words(discussions.status)}", err=True)


async def thread_id(discussions: Discussions, start: str) -> str:
    return one_of((each.id for each in await discussions.threads()), start, "threads")


async def post_of(discussions: Discussions, start: str) -> Post:
    posts = {post.id: post for each in await discussions.threads() for post in await discussions.posts(each.id)}
    return posts[one_of(posts, start, "posts")]


async def own_post(discussions: Discussions, start: str) -> Post:
    post = await post_of(discussions, start)
    if post.author != discussions.subject:
        whose = post.author_name or post.author or "a deleted user"
        raise LibraryError(f"this post is not yours but of {whose}; an owner of the group can hide or remove it")
    return post


def one_of(ids: Iterable[str], start: str, what: str) -> str:
    found = [each for each in ids if each.startswith(start)]
    if start in found:
        return start
    if len(found) != 1:
        raise NotFound(f"{len(found) or 'no'} {what} here have an id that starts with {start!r}; `list` shows threads")
    return found[0]


def status_value(done: bool, status: DiscussionStatus) -> dict[str, Any]:
    """Return how discussions stand as JSON."""
    return {"synced": done, **asdict(status), "state": status.state.value}


def status_words(status: DiscussionStatus) -> str:
    parts = [status.state.value]
    if status.waiting:
        parts.append(f"{counted(status.waiting, 'action')} waiting")
    if status.refused:
        parts.append(f"{counted(status.refused, 'action')} refused, see `crdt-sync discussions outbox`")
    if status.last_error:
        parts.append(status.last_error)
    return ", ".join(parts)
