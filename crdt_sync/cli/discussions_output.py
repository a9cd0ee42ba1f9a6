"""How discussions are printed: what others wrote is plain text, and what an owner has hidden is not shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from crdt_sync.cli.output import console, counted, moment
from crdt_sync.discussions import Post, PostState, Thread, Waiting

__all__ = ["post_value", "print_posts", "print_threads", "print_waiting", "thread_value"]

_STANDS = {PostState.PENDING: "waits in the outbox", PostState.REFUSED: "refused"}
_GONE = {PostState.DELETED: "(deleted)", PostState.REMOVED: "(removed by an owner of the group)"}
_HIDDEN = "(hidden by an owner of the group)"


def thread_value(thread: Thread) -> dict[str, Any]:
    """Return a thread as JSON."""
    return {**asdict(thread), "state": thread.state.value}


def post_value(post: Post) -> dict[str, Any]:
    """Return a post as JSON."""
    return {**asdict(post), "state": post.state.value}


def print_threads(threads: Iterable[tuple[Thread, Sequence[Post]]]) -> None:
    """Print threads as a table, each with its first post."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("id", "new", "posts", "by", "begins", "highlight", ""):
        table.add_column(column, overflow="fold", no_wrap=column in ("id", "highlight"))
    for thread, posts in threads:
        new = f"* {thread.unread}" if thread.unread else ""
        first = _text(posts[0], hidden=False).partition("\n")[0] if posts else ""
        stands = "resolved" if thread.resolved_at_ms is not None else _STANDS.get(thread.state, "")
        name = _name(thread.author_name, thread.author)
        table.add_row(thread.id, new, str(thread.posts), name, first, thread.highlight, stands)
    console.print(table)


def print_posts(posts: Iterable[Post], *, hidden: bool) -> None:
    """Print the posts of a thread; those with hidden text too if `hidden`."""
    for post in posts:
        stands = _STANDS.get(post.state, "")
        if post.refusal:
            stands = f"{stands}: {post.refusal}"
        edited = "edited" if post.edited_at_ms is not None and post.text is not None else ""
        head = (_name(post.author_name, post.author), moment(post.at_ms), post.id, edited, stands)
        console.print("  ".join(part for part in head if part), soft_wrap=True)
        for line in _text(post, hidden=hidden).splitlines():
            console.print(f"    {line}", soft_wrap=True)
        if post.reactions:
            counts = "  ".join(f"{reaction} {len(who)}" for reaction, who in post.reactions.items())
            console.print(f"    {counts}", soft_wrap=True)


def print_waiting(waiting: Sequence[Waiting]) -> None:
    """Print what waits, and what was refused."""
    for each in waiting:
        stands = "waits" if each.refusal is None else f"refused: {each.refusal}"
        of = next((str(each.action[key]) for key in ("post", "thread", "highlight") if key in each.action), "")
        console.print(f"{each.id}  {each.action['do']} {of}  {stands}", soft_wrap=True)
        if "text" in each.action:
            for line in str(each.action["text"]).splitlines():
                console.print(f"    {line}", soft_wrap=True)
    if not waiting:
        console.print(f"{counted(0, 'action')} waiting.")


def _name(name: str | None, subject: str | None) -> str:
    return name or subject or "a deleted user"


def _text(post: Post, *, hidden: bool) -> str:
    if post.is_hidden and not hidden and post.text is not None:
        return _HIDDEN
    return _GONE.get(post.state, "") if post.text is None else post.text
