"""What members ask for in the threads of their group, and whether it makes sense by itself. No I/O."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from crdt_sync_server.errors import DiscussionError, DiscussionFull

__all__ = ["MAX_HIGHLIGHT_BYTES", "MAX_REACTION_BYTES", "MAX_TEXT_BYTES", "NEEDS", "Action", "Do", "check_form"]

MAX_TEXT_BYTES = 16 * 1024
"""Of one post, in UTF-8."""
MAX_REACTION_BYTES = 32
MAX_HIGHLIGHT_BYTES = 200
_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
_NEVER_SHOWN = ("Cc", "Cs", "Cn")


class Do(StrEnum):
    """What an action does."""

    OPEN = "open"
    REPLY = "reply"
    EDIT = "edit"
    DELETE = "delete"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    REACT = "react"
    UNREACT = "unreact"
    HIDE = "hide"
    UNHIDE = "unhide"
    REMOVE = "remove"


NEEDS: Mapping[Do, frozenset[str]] = {
    Do.OPEN: frozenset({"highlight", "text"}),
    Do.REPLY: frozenset({"thread", "text"}),  # and `parent`, if it answers another post than the first
    Do.EDIT: frozenset({"post", "text"}),
    Do.DELETE: frozenset({"post"}),
    Do.RESOLVE: frozenset({"thread"}),
    Do.REOPEN: frozenset({"thread"}),
    Do.REACT: frozenset({"post", "reaction"}),
    Do.UNREACT: frozenset({"post", "reaction"}),
    Do.HIDE: frozenset({"post"}),
    Do.UNHIDE: frozenset({"post"}),
    Do.REMOVE: frozenset({"post"}),
}


@dataclass(frozen=True, slots=True)
class Action:
    """What is asked for. `id` is made by who asks, at random, and is the same each time that it is asked again."""

    id: str
    do: Do
    highlight: str | None = None
    thread: str | None = None
    parent: str | None = None
    post: str | None = None
    text: str | None = None
    reaction: str | None = None


def check_form(action: Action) -> None:
    """Raise `DiscussionError` for an action that makes no sense, and `DiscussionFull` for a text that is too long."""
    if not _ID.fullmatch(action.id):
        raise DiscussionError("an id has 16 to 64 letters, digits, - and _; make it at random, like a UUID")
    given = {name for name in ("highlight", "thread", "parent", "post", "text", "reaction") if getattr(action, name)}
    needs = NEEDS[action.do]
    if given - {"parent"} != needs or ("parent" in given and action.do is not Do.REPLY):
        more = ", and parent if it answers a post" if action.do is Do.REPLY else ""
        raise DiscussionError(f"{action.do} takes {' and '.join(sorted(needs))}{more}")
    if action.text is not None:
        if len(action.text.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
            raise DiscussionFull(f"a post has at most {MAX_TEXT_BYTES} bytes of text; make it two")
        if not action.text.strip():
            raise DiscussionError("a post says something")
    for name, most in (("highlight", MAX_HIGHLIGHT_BYTES), ("reaction", MAX_REACTION_BYTES)):
        value = getattr(action, name)
        if value is not None and not _is_short(value, most):
            raise DiscussionError(f"a {name} has 1 to {most} bytes and no slash or control character")


def _is_short(value: str, most_bytes: int) -> bool:
    is_clean = not any(each == "/" or unicodedata.category(each) in _NEVER_SHOWN for each in value)
    return is_clean and 1 <= len(value.encode("utf-8", "replace")) <= most_bytes
