"""`crdt-sync discussions`: what the members of a group say about its highlights.

They stand in a file of their own, beside the one of the group's library. What is said offline waits there.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from crdt_sync import Library
from crdt_sync.cli.discussions_output import post_value, print_posts, print_threads, print_waiting, thread_value
from crdt_sync.cli.output import as_json, console
from crdt_sync.cli.running import DEFAULT, Json, LibraryPath, full_id, with_library
from crdt_sync.cli.talking import (
    act,
    catch_up,
    in_step,
    one_of,
    own_post,
    post_of,
    status_value,
    status_words,
    thread_id,
    with_discussions,
)
from crdt_sync.discussions import Discussions
from crdt_sync.errors import NotFound

__all__ = ["app"]

app = typer.Typer(
    help="Talk about the highlights of a group: --library names the file of the group's library. What is said offline "
    "waits in the outbox. A token is taken from CRDT_SYNC_TOKEN.",
    no_args_is_help=True,
)
Thread = Annotated[str, typer.Argument(help="The thread's id, or the first characters of it.")]
PostId = Annotated[str, typer.Argument(help="The post's id, or the first characters of it.")]
ActionId = Annotated[str, typer.Argument(help="As `outbox` lists it.")]
Timeout = Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait for the relay at most.")]
WITHIN_S = 10.0
NOT_IN_STEP = 3


@app.command("list")
def discussions_list(
    highlight: Annotated[str | None, typer.Argument(help="Only those on this highlight.")] = None,
    unread: Annotated[bool, typer.Option("--unread", help="Only those with posts that you have not read.")] = False,
    timeout: Timeout = WITHIN_S,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """List the threads of the group, those with unread posts first."""

    async def show(discussions: Discussions) -> None:
        await catch_up(discussions, timeout)
        found = [
            each
            for each in await discussions.threads()
            if (highlight is None or each.highlight.startswith(highlight)) and (each.unread or not unread)
        ]
        found.sort(key=lambda each: not each.unread)
        if json:
            as_json([thread_value(each) for each in found])
        else:
            print_threads([(each, (await discussions.posts(each.id))[:1]) for each in found])

    with_discussions(library, show)


@app.command("show")
def discussions_show(
    thread: Thread,
    hidden: Annotated[bool, typer.Option("--hidden", help="Show also what an owner has hidden.")] = False,
    timeout: Timeout = WITHIN_S,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Print a thread. `read` marks it as read."""

    async def show(discussions: Discussions) -> None:
        await catch_up(discussions, timeout)
        posts = await discussions.posts(await thread_id(discussions, thread))
        as_json([post_value(each) for each in posts]) if json else print_posts(posts, hidden=hidden)

    with_discussions(library, show)


@app.command("open")
def discussions_open(
    highlight: Annotated[str, typer.Argument(help="The highlight's id, or the first characters of it.")],
    text: str,
    timeout: Timeout = WITHIN_S,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Begin a thread on a highlight of the group; print its id."""
    found: list[str] = []

    async def find(opened: Library) -> None:
        found.append(await full_id(opened, highlight))
        if await opened.highlight(found[0]) is None:
            raise NotFound(f"{highlight!r} is a note and no highlight")

    with_library(library, find)
    act(library, timeout, json, lambda discussions: discussions.open_thread(found[0], text))


@app.command("reply")
def discussions_reply(
    thread: Thread,
    text: str,
    to: Annotated[str | None, typer.Option(help="The post that this answers.")] = None,
    timeout: Timeout = WITHIN_S,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Post in a thread; print the post's id."""

    async def reply(discussions: Discussions) -> str:
        parent = None if to is None else (await post_of(discussions, to)).id
        return await discussions.reply(await thread_id(discussions, thread), text, parent=parent)

    act(library, timeout, json, reply)


@app.command("edit")
def discussions_edit(
    post: PostId, text: str, timeout: Timeout = WITHIN_S, library: LibraryPath = DEFAULT, json: Json = False
) -> None:
    """Give your own post another text."""

    async def edit(discussions: Discussions) -> str:
        return await discussions.edit((await own_post(discussions, post)).id, text)

    act(library, timeout, json, edit)


@app.command("delete")
def discussions_delete(
    post: PostId, timeout: Timeout = WITHIN_S, library: LibraryPath = DEFAULT, json: Json = False
) -> None:
    """Take the text of your own post away. Its place in the thread stays."""

    async def delete(discussions: Discussions) -> str:
        return await discussions.delete((await own_post(discussions, post)).id)

    act(library, timeout, json, delete)


@app.command("resolve")
def discussions_resolve(
    thread: Thread, timeout: Timeout = WITHIN_S, library: LibraryPath = DEFAULT, json: Json = False
) -> None:
    """Mark a thread as settled."""

    async def resolve(discussions: Discussions) -> str:
        return await discussions.resolve(await thread_id(discussions, thread))

    act(library, timeout, json, resolve)


@app.command("reopen")
def discussions_reopen(
    thread: Thread, timeout: Timeout = WITHIN_S, library: LibraryPath = DEFAULT, json: Json = False
) -> None:
    """Mark a thread as not settled any more."""

    async def reopen(discussions: Discussions) -> str:
        return await discussions.reopen(await thread_id(discussions, thread))

    act(library, timeout, json, reopen)


@app.command("react")
def discussions_react(
    post: PostId,
    reaction: Annotated[str, typer.Argument(help="An emoji, or a short word.")],
    undo: Annotated[bool, typer.Option("--undo", help="Take your reaction back.")] = False,
    timeout: Timeout = WITHIN_S,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Put a reaction to a post."""

    async def react(discussions: Discussions) -> str:
        found = (await post_of(discussions, post)).id
        return await (discussions.unreact if undo else discussions.react)(found, reaction)

    act(library, timeout, json, react)


@app.command("hide")
def discussions_hide(
    post: PostId,
    undo: Annotated[bool, typer.Option("--undo", help="Let it be shown again.")] = False,
    timeout: Timeout = WITHIN_S,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """As an owner of the group, mark anybody's post so that its text is not shown."""

    async def hide(discussions: Discussions) -> str:
        found = (await post_of(discussions, post)).id
        return await (discussions.unhide if undo else discussions.hide)(found)

    act(library, timeout, json, hide)


@app.command("remove")
def discussions_remove(
    post: PostId, timeout: Timeout = WITHIN_S, library: LibraryPath = DEFAULT, json: Json = False
) -> None:
    """As an owner of the group, take the text of anybody's post away, for good."""

    async def remove(discussions: Discussions) -> str:
        return await discussions.remove((await post_of(discussions, post)).id)

    act(library, timeout, json, remove)


@app.command("read")
def discussions_read(thread: Thread, library: LibraryPath = DEFAULT) -> None:
    """Mark a thread as read on this device, as far as it has come here."""

    async def read(discussions: Discussions) -> None:
        await discussions.mark_read(await thread_id(discussions, thread))

    with_discussions(library, read)


@app.command("outbox")
def discussions_outbox(library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """List what waits to be sent, and what the relay has refused."""

    async def show(discussions: Discussions) -> None:
        waiting = await discussions.outbox()
        as_json([asdict(each) for each in waiting]) if json else print_waiting(waiting)

    with_discussions(library, show)


@app.command("retry")
def discussions_retry(
    action: ActionId, timeout: Timeout = WITHIN_S, library: LibraryPath = DEFAULT, json: Json = False
) -> None:
    """Send again what the relay has refused."""

    async def retry(discussions: Discussions) -> str:
        found = one_of((each.id for each in await discussions.outbox()), action, "refused actions")
        await discussions.retry(found)
        return found

    act(library, timeout, json, retry)


@app.command("discard")
def discussions_discard(action: ActionId, library: LibraryPath = DEFAULT) -> None:
    """Forget what the relay has refused."""

    async def discard(discussions: Discussions) -> None:
        await discussions.discard(one_of((each.id for each in await discussions.outbox()), action, "refused actions"))

    with_discussions(library, discard)


@app.command("sync")
def discussions_sync(timeout: Timeout = 30, library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """Fetch what others have said and send what waits, as `crdt-sync sync` does with the library too."""

    async def sync(discussions: Discussions) -> None:
        done = await in_step(discussions, timeout)
        if json:
            as_json(status_value(done, discussions.status))
        else:
            words = "In step." if done else f"Not in step: {status_words(discussions.status)}"
            console.print(words, soft_wrap=True)
        if not done:
            raise typer.Exit(NOT_IN_STEP)

    with_discussions(library, sync)
