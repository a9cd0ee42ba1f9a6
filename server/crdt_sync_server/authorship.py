"""What of a group's threads is one subject's: handed out to it, or taken out when it is deleted. No I/O.

What is taken out leaves its place, as others have answered it, with a mark that names nobody: `by` and `name` are null.
The mark is the same for all who were deleted, so it does not tell what was whose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crdt_sync_server.discussion import Change, State, emptied

__all__ = ["forget", "said"]


def forget(state: State, subject: str, now_ms: int) -> tuple[Change, ...]:
    """Return what takes a deleted subject out; nothing the second time.

    The texts of its posts go as if it had deleted them, and its reactions go. Where it stands as who wrote a post,
    edited, hid or removed one or resolved a thread, nobody does. Of others nothing changes.
    """
    changes = {(each.root, each.key): each for each in _unnamed(state, subject)}
    for post, value in state.items("posts"):
        if _is_by(value, subject):
            gone = emptied(state, post, "deleted", {"by": None, "at": now_ms})
            changes |= {(each.root, each.key): each for each in gone}  # of its own mark that hid the post, too
    for key, value in state.items("reactions"):
        if _is_by(value, subject):
            changes["reactions", key] = Change("reactions", key, None)
    for person, value in state.items("people"):
        if _is_by(value, subject):
            changes["people", person] = Change("people", person, {"by": None})  # the number is nobody else's ever
            if state.get("actions", person) is not None:
                changes["actions", person] = Change("actions", person, None)
    return tuple(changes.values())


def said(state: State, subject: str) -> dict[str, list[dict[str, Any]]]:
    """Return what a subject has in the threads: its posts by time, its reactions, and its marks on what is there."""
    fields = dict(state.items("fields"))
    posts = []
    for post, value in state.items("posts"):
        if _is_by(value, subject):
            highlight = (state.get("threads", value["thread"]) or {}).get("highlight")
            more = {name: fields.get(f"{post}/{name}") for name in ("text", "edited", "hidden", "deleted", "removed")}
            posts.append({"post": post, "highlight": highlight, **value, **_of(more, subject)})
    reactions = [
        {"post": key.partition("/")[0], "name": value["name"], "reactions": value["reactions"]}
        for key, value in state.items("reactions")
        if _is_by(value, subject)
    ]
    marks = []
    for key, value in fields.items():
        item, _, what = key.partition("/")
        if _is_by(value, subject):
            marks.append({"on": item, "what": what, **value})
    return {
        "posts": sorted(posts, key=lambda each: (each["at"], each["post"])),
        "reactions": sorted(reactions, key=lambda each: str(each["post"])),
        "marks": sorted(marks, key=lambda each: (each["at"], each["on"], each["what"])),
    }


def _unnamed(state: State, subject: str) -> list[Change]:
    return [
        Change(root, key, {**value, **{name: None for name in ("by", "name") if name in value}})
        for root in ("threads", "posts", "fields")
        for key, value in state.items(root)
        if _is_by(value, subject)
    ]


def _is_by(value: Any, subject: str) -> bool:
    return isinstance(value, Mapping) and value.get("by") == subject


def _of(fields: Mapping[str, Any], subject: str) -> dict[str, Any]:
    """Return the fields of a post that are there; who else has hidden or removed it is told to nobody."""
    return {
        name: value if not isinstance(value, Mapping) or _is_by(value, subject) else {"at": value["at"]}
        for name, value in fields.items()
        if value is not None
    }
