"""What members may do to the threads of their group, each as a decision. No I/O; time is an argument.

A state is the document of the threads, a mapping of root and key to a value; a decision is the changes that follow, or
a refusal. The relay alone writes that document, so a value is put whole and two writers never meet.

    threads    <thread>             {highlight, by, name, at, number}
    posts      <post>               {thread, parent, by, name, at, number}
    fields     <thread>/posts       how many posts the thread has ever had
               <thread>/resolved    {by, name, at} while it is resolved
               <post>/text          gone with the post
               <post>/edited        when, <post>/deleted and <post>/removed {by, at} once it is gone,
               <post>/hidden        {by, at} while it is hidden
    people     <person>             {by}: the subject that is `<person>`, a number from 1, in the keys of this document
    reactions  <post>/<person>      {by, name, reactions}, sorted, while there are any
    actions    <person>             the ids of the last `REMEMBERED` actions of that person that made nothing

Threads and posts are changed only when their author is deleted (`authorship`): then `by` and `name` are null, there and
wherever else that subject stood. A key that was deleted stays in a document for good, so no key has a subject in it.

A thread has the id of its first post. Who opens or replies names the post with the id of the action, so that the same
action twice is once, for good; other actions are remembered for a while. A number counts the posts of a thread, or the
threads of a group, from 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from crdt_sync_server.actions import Action, Do, check_form
from crdt_sync_server.errors import DiscussionError, DiscussionFull, Forbidden, NoSuchPost
from crdt_sync_server.ports import Role
from crdt_sync_server.roster import Actor

__all__ = [
    "MAX_POSTS",
    "MAX_REACTIONS",
    "MAX_THREADS",
    "REMEMBERED",
    "Change",
    "State",
    "decide",
    "emptied",
]

MAX_POSTS = 2000
"""Of one thread. Those that are gone count: their places stay."""
MAX_THREADS = 10_000
"""Of one group."""
MAX_REACTIONS = 8
"""Of one person to one post."""
MAX_NAME_CHARACTERS = 200
REMEMBERED = 32
"""A device sends its actions in order and repeats the last one alone, so only as many others of the same subject, from
other devices, can make one that is repeated be done twice. It is then done as if it had been asked for that late."""
_OF_OWNERS = (Do.HIDE, Do.UNHIDE, Do.REMOVE)


@dataclass(frozen=True, slots=True)
class Change:
    """Put `value` under `key` of `root`; None takes the key out."""

    root: str
    key: str
    value: Any


class State(Protocol):
    """A document of threads, as a decision sees it."""

    def get(self, root: str, key: str) -> Any:
        """Return the value, or None."""

    def count(self, root: str) -> int:
        """Return how many keys a root has."""

    def items(self, root: str) -> Iterable[tuple[str, Any]]:
        """Return all keys of a root with their values."""


def decide(state: State, actor: Actor, role: Role, action: Action, now_ms: int) -> tuple[Change, ...]:
    """Return what follows; nothing if the action has been done before.

    Raises `Forbidden` for what this role or another's post does not allow, `NoSuchPost`, `DiscussionFull`, and
    `DiscussionError` for an action that makes no sense.
    """
    assert actor.subject is not None
    check_form(action)
    makes_post = action.do in (Do.OPEN, Do.REPLY)
    person = "" if makes_post else _person(state, actor.subject)
    if _is_posted(state, actor.subject, action) if makes_post else _is_remembered(state, person, action):
        return ()
    if role is Role.READER:
        raise Forbidden("readers of a group read its threads; to write, ask an owner to make you an editor")
    if action.do in _OF_OWNERS and role is not Role.OWNER:
        raise Forbidden("only an owner of the group hides and removes the posts of others")
    match action.do:
        case Do.OPEN | Do.REPLY:
            return _post(state, actor, action, now_ms)
        case Do.RESOLVE | Do.REOPEN:
            changes = _resolve(state, actor, action, now_ms)
        case Do.REACT | Do.UNREACT:
            changes = _react(state, actor, person, action)
        case Do.HIDE | Do.UNHIDE | Do.REMOVE:
            changes = _moderate(state, actor, action, now_ms)
        case Do.EDIT | Do.DELETE:
            changes = _change_own(state, actor, action, now_ms)
    return (*changes, *_remembered(state, actor.subject, person, action.id))


def _is_posted(state: State, subject: str, action: Action) -> bool:
    post = state.get("posts", action.id)
    if post is None:
        return False
    thread = action.id if action.do is Do.OPEN else action.thread
    if post["by"] != subject or post["thread"] != thread:
        raise DiscussionError("this id is another post's; an action needs an id of its own, made at random")
    return True


def _is_remembered(state: State, person: str, action: Action) -> bool:
    return action.id in (state.get("actions", person) or ())


def _post(state: State, actor: Actor, action: Action, now_ms: int) -> tuple[Change, ...]:
    author = {"by": actor.subject, "name": _name(actor), "at": now_ms}
    made: list[Change] = []
    if action.do is Do.OPEN:
        thread, count = action.id, 0
        number = state.count("threads") + 1
        if number > MAX_THREADS:
            raise DiscussionFull(f"a group has at most {MAX_THREADS} threads; reply in one, or begin another group")
        made.append(Change("threads", thread, {"highlight": action.highlight, **author, "number": number}))
    else:
        assert action.thread is not None
        thread = action.thread
        if state.get("threads", thread) is None:
            raise NoSuchPost("there is no such thread in this group")
        count = int(state.get("fields", f"{thread}/posts") or 0)
        if count >= MAX_POSTS:
            raise DiscussionFull(f"a thread has at most {MAX_POSTS} posts; open another on the same highlight")
        if action.parent is not None and _found(state, action.parent)["thread"] != thread:
            raise NoSuchPost("the post that this answers is of another thread")
    post = {"thread": thread, "parent": action.parent, **author, "number": count + 1}
    made += (Change("posts", action.id, post), Change("fields", f"{action.id}/text", action.text))
    return (*made, Change("fields", f"{thread}/posts", count + 1))


def _change_own(state: State, actor: Actor, action: Action, now_ms: int) -> tuple[Change, ...]:
    assert action.post is not None
    if _found(state, action.post)["by"] != actor.subject:
        raise Forbidden("only who wrote a post edits or deletes it")
    if action.do is Do.DELETE:
        return emptied(state, action.post, "deleted", {"by": actor.subject, "at": now_ms})
    _check_there(state, action.post)
    if state.get("fields", f"{action.post}/text") == action.text:
        return ()
    return (Change("fields", f"{action.post}/text", action.text), Change("fields", f"{action.post}/edited", now_ms))


def _moderate(state: State, actor: Actor, action: Action, now_ms: int) -> tuple[Change, ...]:
    assert action.post is not None
    _found(state, action.post)
    mark = {"by": actor.subject, "at": now_ms}
    if action.do is Do.REMOVE:
        return emptied(state, action.post, "removed", mark)
    is_hidden = state.get("fields", f"{action.post}/hidden") is not None
    if is_hidden is (action.do is Do.HIDE):
        return ()
    return (Change("fields", f"{action.post}/hidden", mark if action.do is Do.HIDE else None),)


def _resolve(state: State, actor: Actor, action: Action, now_ms: int) -> tuple[Change, ...]:
    assert action.thread is not None
    if state.get("threads", action.thread) is None:
        raise NoSuchPost("there is no such thread in this group")
    key = f"{action.thread}/resolved"
    is_resolved = state.get("fields", key) is not None
    if is_resolved is (action.do is Do.RESOLVE):
        return ()
    mark = {"by": actor.subject, "name": _name(actor), "at": now_ms}
    return (Change("fields", key, mark if action.do is Do.RESOLVE else None),)


def _react(state: State, actor: Actor, person: str, action: Action) -> tuple[Change, ...]:
    assert action.post is not None
    assert action.reaction is not None
    _found(state, action.post)
    key = f"{action.post}/{person}"
    before: set[str] = set((state.get("reactions", key) or {"reactions": ()})["reactions"])
    if action.do is Do.REACT:
        _check_there(state, action.post)
        after = before | {action.reaction}
        if len(after) > MAX_REACTIONS:
            raise DiscussionFull(f"one has at most {MAX_REACTIONS} reactions to a post; take one back first")
    else:
        after = before - {action.reaction}
    if after == before:
        return ()
    value = {"by": actor.subject, "name": _name(actor), "reactions": sorted(after)}
    return (Change("reactions", key, value if after else None),)


def emptied(state: State, post: str, how: str, mark: Mapping[str, Any]) -> tuple[Change, ...]:
    """Take the text away, and keep the place: others have answered it."""
    if state.get("fields", f"{post}/text") is None:
        return ()
    taken = (Change("fields", f"{post}/text", None), Change("fields", f"{post}/{how}", mark))
    was_hidden = state.get("fields", f"{post}/hidden") is not None
    return (*taken, Change("fields", f"{post}/hidden", None)) if was_hidden else taken


def _remembered(state: State, subject: str, person: str, action_id: str) -> tuple[Change, ...]:
    before = list(state.get("actions", person) or ())
    remembered = Change("actions", person, [*before, action_id][-REMEMBERED:])
    is_known = state.get("people", person) is not None
    return (remembered,) if is_known else (Change("people", person, {"by": subject}), remembered)


def _person(state: State, subject: str) -> str:
    """Return the number of a subject; of one that has none yet, the one that it would get."""
    found = (person for person, value in state.items("people") if value["by"] == subject)
    return next(found, str(state.count("people") + 1))


def _found(state: State, post: str) -> Any:
    found = state.get("posts", post)
    if found is None:
        raise NoSuchPost("there is no such post in this group")
    return found


def _check_there(state: State, post: str) -> None:
    if state.get("fields", f"{post}/text") is None:
        raise NoSuchPost("this post was deleted")


def _name(actor: Actor) -> str | None:
    """Return what the token calls them, as a document can hold it: a token may have halves of characters."""
    return actor.name[:MAX_NAME_CHARACTERS].encode("utf-8", "replace").decode() if actor.name else None
