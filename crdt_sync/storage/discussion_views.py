"""Threads and posts as they are shown: what came from the relay, and after it what waits on this device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from crdt_sync.storage.discussion_file import DiscussionFile, Waiting

__all__ = ["Post", "PostState", "Thread", "posts_of", "threads", "unread_counts"]


class PostState(Enum):
    """What became of a post."""

    SENT = "sent"
    """It is in the group's threads."""
    PENDING = "pending"
    """It is on this device alone, until the relay can be reached."""
    REFUSED = "refused"
    """The relay will not have it; `refusal` says why."""
    DELETED = "deleted"
    """Its author took the text away, or was deleted themselves: then `author` is None."""
    REMOVED = "removed"
    """An owner of the group took the text away."""


@dataclass(frozen=True, slots=True)
class Post:
    """A post. `text` is None if it is gone, `number` counts those of a thread from 1 and is None while it waits.

    `author` and `author_name` are None once the author has been deleted: show "a deleted user".
    A hidden post is in the group's threads as before; whoever shows threads leaves its text out.
    `reactions` has for each reaction the subjects.
    """

    id: str
    thread: str
    parent: str | None
    author: str | None
    author_name: str | None
    at_ms: int
    text: str | None
    state: PostState = PostState.SENT
    number: int | None = None
    edited_at_ms: int | None = None
    is_hidden: bool = False
    reactions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread on a highlight. `posts` counts all that it has, and `unread` those of others behind the last mark.

    `resolved_at_ms` is set while it is resolved. `author` and `resolved_by` are None for a user who was deleted.
    """

    id: str
    highlight: str
    author: str | None
    author_name: str | None
    at_ms: int
    posts: int
    unread: int
    resolved_by: str | None = None
    resolved_at_ms: int | None = None
    state: PostState = PostState.SENT


UNREAD = """
SELECT thread, count(*) FROM posts LEFT JOIN marks USING (thread)
WHERE posts.number > coalesce(marks.number, 0) AND author IS NOT ? AND text IS NOT NULL AND NOT is_hidden
GROUP BY thread
"""
THREADS = """
SELECT id, highlight, author, name, at_ms, (SELECT count(*) FROM posts WHERE thread = threads.id), resolved_by,
    resolved_at_ms
FROM threads WHERE ?1 IS NULL OR highlight = ?1 ORDER BY number
"""
POSTS = """
SELECT id, thread, parent, author, name, at_ms, text, number, edited_at_ms, is_hidden, is_removed
FROM posts WHERE thread = ? ORDER BY number
"""
REACTIONS = """
SELECT post, reaction, subject FROM reactions JOIN posts ON post = id WHERE thread = ? ORDER BY post, reaction, subject
"""


def unread_counts(file: DiscussionFile, subject: str) -> dict[str, int]:
    """Return for each thread how many posts of others are there that were not read; threads without any are left out.

    Posts that are gone or hidden do not count.
    """
    return dict(file.connection.execute(UNREAD, (subject,)).fetchall())


def threads(file: DiscussionFile, subject: str, highlight: str | None) -> list[Thread]:
    """Return the threads of a highlight or all, the oldest first, and then those that wait."""
    unread = unread_counts(file, subject)
    found = [
        Thread(key, of, author, name, at_ms, posts, unread.get(key, 0), resolved_by, resolved_at_ms)
        for key, of, author, name, at_ms, posts, resolved_by, resolved_at_ms in file.connection.execute(
            THREADS, (highlight,)
        )
    ]
    known = {each.id for each in found}
    for each in file.waiting("TRUE"):
        of = each.action.get("highlight")
        if each.action["do"] == "open" and each.id not in known and highlight in (None, of):
            found.append(Thread(each.id, str(of), subject, None, each.at_ms, 1, 0, state=_state(each)))
    return found


def posts_of(file: DiscussionFile, subject: str, thread: str) -> list[Post]:
    """Return the posts of a thread in their order, and then those that wait."""
    reactions: dict[str, dict[str, list[str]]] = {}
    for post, reaction, who in file.connection.execute(REACTIONS, (thread,)):
        reactions.setdefault(post, {}).setdefault(reaction, []).append(who)
    found = []
    for key, of, parent, author, name, at_ms, text, number, edited, is_hidden, is_removed in file.connection.execute(
        POSTS, (thread,)
    ):
        gone = PostState.REMOVED if is_removed else PostState.DELETED
        state = PostState.SENT if text is not None else gone
        on_it = reactions.get(key, {})
        found.append(Post(key, of, parent, author, name, at_ms, text, state, number, edited, bool(is_hidden), on_it))
    known = {each.id for each in found}
    for each in file.waiting("TRUE"):
        action = each.action
        of = {"open": each.id, "reply": action.get("thread")}.get(action["do"])
        if of == thread and each.id not in known:
            parent, text = action.get("parent"), str(action["text"])
            post = Post(each.id, thread, parent, subject, None, each.at_ms, text, _state(each), refusal=each.refusal)
            found.append(post)
    return found


def _state(waiting: Waiting) -> PostState:
    return PostState.PENDING if waiting.refusal is None else PostState.REFUSED
